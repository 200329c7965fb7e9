-- objects of the extension without a COMMENT (there should be none); support functions of types stand with their type
select pg_describe_object(d.classid, d.objid, 0)
  from pg_depend d join pg_extension e on e.oid = d.refobjid and d.refclassid = 'pg_extension'::regclass
 where e.extname = 'niji' and d.deptype = 'e'
   and obj_description(d.objid, d.classid::regclass::name) is null
   and d.classid in ('pg_proc'::regclass, 'pg_class'::regclass, 'pg_type'::regclass)
   and not exists (select from pg_class c where d.classid = 'pg_class'::regclass and c.oid = d.objid and c.relkind not in ('r', 'v', 'p'))
   and not exists (select from pg_class c where d.classid = 'pg_class'::regclass and c.oid = d.objid and c.relispartition)
   and not exists (select from pg_type t where d.classid = 'pg_type'::regclass and t.oid = d.objid and (t.typtype <> 'b' or t.typcategory = 'A'))
   and not exists (select from pg_type t where d.classid = 'pg_proc'::regclass and d.objid in (t.typinput, t.typoutput, t.typsend, t.typreceive, t.typanalyze))
   and not exists (select from pg_operator o where d.classid = 'pg_proc'::regclass and d.objid in (o.oprcode, o.oprrest, o.oprjoin))
   and not exists (select from pg_amproc a where d.classid = 'pg_proc'::regclass and d.objid = a.amproc)
   and not exists (select from pg_proc p where d.classid = 'pg_proc'::regclass and d.objid = p.prosupport)
   and not exists (select from pg_cast c where d.classid = 'pg_proc'::regclass and d.objid = c.castfunc)
   and not exists (select from pg_aggregate a where d.classid = 'pg_proc'::regclass and d.objid in (a.aggtransfn, a.aggcombinefn, a.aggfinalfn))
 order by 1;
