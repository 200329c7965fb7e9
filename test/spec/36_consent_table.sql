-- The decision is the table in docs/consent.md: every row of it is tried, and every case belongs to exactly one row.
--
-- The table is read from the page.  Each word of a column stands for several
-- things that somebody may have said, done or left (see "variant"); all
-- combinations of these are people and datasets, and for each the code gives
-- the answer of its row, or the table and the code have parted.
\set ON_ERROR_STOP 1
set client_min_messages = warning;
\set page `cat docs/consent.md`
select plan(9);

/* ---- the table ---- */
create table line as
  select row_number() over (order by n) as row, string_to_array(trim(both '| ' from l), ' | ') as cells
    from regexp_split_to_table(:'page', E'\n') with ordinality as x (l, n)
   where l ~ '^\| `(not_required|opt_)' and l ~ '\| (yes|no) \|';
create table decision as
  select l.row, string_to_array(replace(cells[1], '`', ''), ', ') as basis, string_to_array(cells[2], ', ') as judged, string_to_array(cells[3], ', ') as override,
         string_to_array(cells[4], ', ') as denials, string_to_array(cells[5], ', ') as notice, string_to_array(cells[6], ', ') as permission,
         cells[7] = 'yes' as permitted, trim(both '`' from cells[8]) as reason
    from line l;
select is((select count(*) from decision where cardinality(basis) > 0), 13::bigint, 'The page has a table of thirteen rows');

/* ---- what stands for each word ---- */
-- counted: how it counts where consents are judged now, and at the grant (ten days ago)
create table variant (kind text, name text, now_word text, grant_word text);
insert into variant values
  ('denials', 'nothing', 'none', 'none'),
  ('denials', 'of another category', 'none', 'none'),
  ('denials', 'of another purpose', 'none', 'none'),
  ('denials', 'of another permit', 'none', 'none'),
  ('denials', 'of another dataset', 'none', 'none'),
  ('denials', 'of another holder', 'none', 'none'),
  ('denials', 'of another kind of recipient', 'none', 'none'),
  ('denials', 'to come', 'none', 'none'),
  ('denials', 'ended', 'none', 'none'),
  ('denials', 'voided', 'none', 'none'),
  ('denials', 'everything', 'in force', 'in force'),
  ('denials', 'this permit', 'in force', 'in force'),
  ('denials', 'recorded late', 'in force', 'none'),
  ('denials', 'ended since', 'none', 'in force'),
  ('denials', 'lifted by the same', 'lifted', 'lifted'),
  ('denials', 'lifted by a narrower', 'lifted', 'lifted'),
  ('denials', 'lifted by one of the same moment', 'lifted', 'lifted'),
  ('denials', 'lifted since', 'lifted', 'in force'),
  ('denials', 'not lifted by a broader', 'in force', 'in force'),
  ('denials', 'not lifted by an earlier', 'in force', 'in force'),
  ('denials', 'not lifted by a voided', 'in force', 'in force'),
  ('denials', 'not lifted by an ended', 'in force', 'in force'),
  ('denials', 'one of two lifted', 'in force', 'in force'),
  ('notice', 'nothing', 'none', 'none'),
  ('notice', 'of another category', 'none', 'none'),
  ('notice', 'of another holder', 'none', 'none'),
  ('notice', 'recorded late', 'over', 'none'),
  ('notice', 'yesterday', 'waiting', 'none'),
  ('notice', 'twenty days ago', 'waiting', 'waiting'),
  ('notice', 'over since the grant', 'over', 'waiting'),
  ('notice', 'long ago', 'over', 'over'),
  ('notice', 'long ago, and again', 'over', 'over'),
  ('permission', 'nothing', 'none', 'none'),
  ('permission', 'of another permit', 'none', 'none'),
  ('permission', 'to come', 'none', 'none'),
  ('permission', 'ended', 'none', 'none'),
  ('permission', 'voided', 'none', 'none'),
  ('permission', 'everything', 'in force', 'in force'),
  ('permission', 'this dataset', 'in force', 'in force'),
  ('permission', 'recorded late', 'in force', 'none'),
  ('override', 'nothing', 'none', 'none'),
  ('override', 'declared only', 'none', 'none'),
  ('override', 'ended', 'none', 'none'),
  ('override', 'over', 'none', 'none'),
  ('override', 'another purpose', 'none', 'none'),
  ('override', 'approved', 'in force', 'in force');

/* ---- datasets: for each basis, way of judging and override a category of its own ---- */
insert into niji.holder (code, name, kind) values ('h', 'H', 'medical_institution'), ('i', 'I', 'medical_institution');
insert into niji.applicant (code, name, kind) values ('lab', '研究室', 'society');
create table place as
  select row_number() over (order by b.basis, j.judged, o.name)::int as id, b.basis, j.judged, o.name as override
    from niji.basis b, (values ('now'), ('at_grant')) j (judged), variant o
   where o.kind = 'override' and (o.name in ('nothing', 'approved') or (b.basis, j.judged) in (('opt_out', 'now'), ('opt_in', 'at_grant')));
insert into niji.category (category, name_ja, description, source) select 'k' || id, 'k', 'k', 'test' from place;
insert into niji.rule (category, purpose, basis, judged, waiting)
  select 'k' || id, 'research', basis, judged, case when basis = 'opt_out_after_notice' then interval '1 month' end from place;
create schema warehouse;
do $$ begin for i in 1 .. (select count(*) from place) loop execute format('create table warehouse.t%s (person niji.person)', i); end loop; end $$;
insert into niji.dataset (name, relation, person_columns, holder, category, legal_basis, changes)
  select 'd' || id, ('warehouse.t' || id)::regclass, '{person}', 1, 'k' || id, 'law', 'auto' from place order by id;
-- one that was granted ten days ago, and one that was not yet; a third is only to be named
insert into niji.permit (code, title, applicant, purpose, state, domain, valid_from, valid_until, schema_name, granted_at) values
  ('P1', 'one', 1, 'research', 'granted', 1, '2020-01-01', '2099-12-31', 'p1', now() - interval '10 days'),
  ('P2', 'two', 1, 'research', 'approved', 2, '2020-01-01', '2099-12-31', 'p2', null),
  ('P3', 'three', 1, 'research', 'granted', 3, '2020-01-01', '2099-12-31', 'p3', now());
insert into niji.permit_data (permit, dataset, columns) select p, d.id, '{person}' from niji.dataset d, generate_series(1, 2) p;
insert into niji.override (category, purpose, effective_until, legal_basis, reason, declared_at)
  select 'k' || id, case override when 'another purpose' then 'policy' else 'research' end,
         now() + case override when 'over' then interval '-1 hour' else interval '1 day' end, 'law', 'a drill', now() - interval '1 day'
    from place where override <> 'nothing' order by id;
insert into niji.override_approval (override) select o.id from niji.override o join place p on o.category = 'k' || p.id where p.override <> 'declared only';
insert into niji.override_end (override, reason) select o.id, 'over' from niji.override o join place p on o.category = 'k' || p.id where p.override = 'ended';

/* ---- people: every combination of what they said ---- */
create table people as
  select row_number() over (order by d.name, n.name, y.name)::int as id, d.name as denials, d.now_word as denials_now, d.grant_word as denials_grant,
         n.name as notice, n.now_word as notice_now, n.grant_word as notice_grant, y.name as permission, y.now_word as permission_now, y.grant_word as permission_grant
    from variant d, variant n, variant y where d.kind = 'denials' and n.kind = 'notice' and y.kind = 'permission';
create function p(n int) returns niji.person language sql immutable as $$ select n::text::niji.person $$;
-- what a variant is made of: age and end in days, and what its scope names ("this" or "other" of a dimension)
create table saying (kind text, name text, place int, decision text, age float, ended float, recorded float, void boolean, permit int, dataset text, holder int, category text, purpose text, recipient text);
insert into saying values
  ('denials', 'of another category', 1, 'deny', 20, null, 20, false, null, null, null, 'ehr', null, null),
  ('denials', 'of another purpose', 1, 'deny', 20, null, 20, false, null, null, null, null, 'policy', null),
  ('denials', 'of another permit', 1, 'deny', 20, null, 20, false, 3, null, null, null, null, null),
  ('denials', 'of another dataset', 1, 'deny', 20, null, 20, false, null, 'other', null, null, null, null),
  ('denials', 'of another holder', 1, 'deny', 20, null, 20, false, null, null, 2, null, null, null),
  ('denials', 'of another kind of recipient', 1, 'deny', 20, null, 20, false, null, null, null, null, null, 'company'),
  ('denials', 'to come', 1, 'deny', -1, null, 20, false, null, null, null, null, null, null),
  ('denials', 'ended', 1, 'deny', 20, 15, 20, false, null, null, null, null, null, null),
  ('denials', 'voided', 1, 'deny', 20, null, 20, true, null, null, null, null, null, null),
  ('denials', 'everything', 1, 'deny', 20, null, 20, false, null, null, null, null, null, null),
  ('denials', 'this permit', 1, 'deny', 20, null, 20, false, 1, null, 1, null, 'research', 'society'),
  ('denials', 'recorded late', 1, 'deny', 20, null, 5, false, null, null, null, null, null, null),
  ('denials', 'ended since', 1, 'deny', 20, 5, 20, false, null, null, null, null, null, null),
  ('denials', 'lifted by the same', 1, 'deny', 20, null, 20, false, null, null, 1, null, 'research', null),
  ('denials', 'lifted by the same', 2, 'permit', 19, null, 19, false, null, null, 1, null, 'research', null),
  ('denials', 'lifted by a narrower', 1, 'deny', 20, null, 20, false, null, null, null, null, 'research', null),
  ('denials', 'lifted by a narrower', 2, 'permit', 19, null, 19, false, null, null, 1, null, 'research', 'society'),
  ('denials', 'lifted by one of the same moment', 1, 'deny', 20, null, 20, false, null, null, null, null, null, null),
  ('denials', 'lifted by one of the same moment', 2, 'permit', 20, null, 20, false, null, null, null, null, null, null),
  ('denials', 'lifted since', 1, 'deny', 20, null, 20, false, null, null, null, null, null, null),
  ('denials', 'lifted since', 2, 'permit', 5, null, 5, false, null, null, null, null, 'research', null),
  ('denials', 'not lifted by a broader', 1, 'deny', 20, null, 20, false, null, null, 1, null, 'research', null),
  ('denials', 'not lifted by a broader', 2, 'permit', 19, null, 19, false, null, null, null, null, 'research', 'society'),
  ('denials', 'not lifted by an earlier', 1, 'permit', 21, null, 21, false, null, null, 1, null, 'research', 'society'),
  ('denials', 'not lifted by an earlier', 2, 'deny', 20, null, 20, false, null, null, null, null, null, null),
  ('denials', 'not lifted by a voided', 1, 'deny', 20, null, 20, false, null, null, null, null, null, null),
  ('denials', 'not lifted by a voided', 2, 'permit', 19, null, 19, true, null, null, null, null, null, null),
  ('denials', 'not lifted by an ended', 1, 'deny', 20, null, 20, false, null, null, null, null, null, null),
  ('denials', 'not lifted by an ended', 2, 'permit', 19, 15, 19, false, null, null, null, null, null, null),
  ('denials', 'one of two lifted', 1, 'deny', 20, null, 20, false, null, null, null, null, 'research', null),
  ('denials', 'one of two lifted', 2, 'permit', 19, null, 19, false, null, null, null, null, 'research', null),
  ('denials', 'one of two lifted', 3, 'deny', 20, null, 20, false, null, null, 1, null, null, null),
  -- earlier than any denial, so that they lift none
  ('permission', 'of another permit', 1, 'permit', 30, null, 30, false, 3, null, null, null, null, null),
  ('permission', 'to come', 1, 'permit', -1, null, 30, false, null, null, null, null, null, null),
  ('permission', 'ended', 1, 'permit', 30, 25, 30, false, null, null, null, null, null, null),
  ('permission', 'voided', 1, 'permit', 30, null, 30, true, null, null, null, null, null, null),
  ('permission', 'everything', 1, 'permit', 30, null, 30, false, null, null, null, null, null, null),
  ('permission', 'this dataset', 1, 'permit', 30, null, 30, false, null, null, 1, null, 'research', 'society'),
  ('permission', 'recorded late', 1, 'permit', 30, null, 5, false, null, null, null, null, null, null);
-- "this permit" is said of each of the two
insert into niji.dataset (name, relation, person_columns, holder, category, legal_basis, changes) select 'other', 'people'::regclass, '{}', 1, 'ehr', 'law', 'auto';
insert into niji.consent (person, decision, permit, dataset, holder, category, purpose, recipient_kind, effective_from, effective_until, recorded_at, evidence)
  select p(x.id), s.decision, case when s.permit = 1 then g else s.permit end, case when s.dataset = 'other' then (select d.id from niji.dataset d where d.name = 'other') end,
         s.holder, s.category, s.purpose, s.recipient, now() - s.age * interval '1 day', now() - s.ended * interval '1 day', now() - s.recorded * interval '1 day',
         case when s.void then 'void' end
    from people x join saying s on (s.kind = 'denials' and s.name = x.denials) or (s.kind = 'permission' and s.name = x.permission),
         generate_series(1, 2) g
   where g = 1 or s.permit = 1
   order by s.place;
insert into niji.consent_void (consent, reason) select id, 'error' from niji.consent where evidence = 'void';
insert into niji.notice (person, category, holder, notified_at, recorded_at)
  select p(x.id), case when x.notice = 'of another category' then 'ehr' else 'k' || l.id end, case when x.notice = 'of another holder' then 2 when x.id % 2 = 0 then 1 end,
         now() - a.age * interval '1 day', now() - a.recorded * interval '1 day'
    from people x
    join (values ('of another category', 99, 99), ('of another holder', 99, 99), ('recorded late', 99, 5), ('yesterday', 1, 1), ('twenty days ago', 20, 20),
                 ('over since the grant', 38, 38), ('long ago', 99, 99), ('long ago, and again', 99, 99), ('long ago, and again', 2, 2)) a (name, age, recorded) on a.name = x.notice,
         place l
   where l.basis = 'opt_out_after_notice' and (x.notice <> 'of another category' or l.id = (select min(id) from place where basis = 'opt_out_after_notice'));
analyze niji.consent;

/* ---- every case ---- */
create table tried as
  select x.id, l.id as place, g.permit, l.basis,
         case when l.judged = 'now' then 'now' when g.permit = 1 then 'at the grant' else 'before the grant' end as judged,
         o.now_word as override,
         case when l.judged = 'now' then x.denials_now else x.denials_grant end as denials,
         case when l.judged = 'now' then x.notice_now else x.notice_grant end as notice,
         case when l.judged = 'now' then x.permission_now else x.permission_grant end as permission,
         e.permitted, e.reason, niji.permitted(p(x.id), g.permit, d.id) as filter
    from place l
    join variant o on o.kind = 'override' and o.name = l.override
    join niji.dataset d on d.name = 'd' || l.id,
         people x, generate_series(1, 2) g (permit),
         niji.decide_consent(p(x.id), g.permit, d.id) e;
create table answered as
  select t.*, w.row, w.permitted as table_permitted, w.reason as table_reason
    from tried t
    left join decision w on (w.basis = '{any}' or t.basis = any (w.basis)) and (w.judged = '{any}' or t.judged = any (w.judged))
         and (w.override = '{any}' or t.override = any (w.override)) and (w.denials = '{any}' or t.denials = any (w.denials))
         and (w.notice = '{any}' or t.notice = any (w.notice)) and (w.permission = '{any}' or t.permission = any (w.permission));

select cmp_ok((select count(*) from tried), '>', 70000::bigint, 'More than seventy thousand cases are tried');
select is_empty($$ select basis, judged, override, denials, notice, permission from answered where row is null group by 1, 2, 3, 4, 5, 6 $$, 'No case is missing from the table');
select is_empty($$ select basis, judged, override, denials, notice, permission, array_agg(distinct row) from answered group by id, place, permit, 1, 2, 3, 4, 5, 6 having count(*) > 1 limit 5 $$, 'and none is in two rows of it');
select is_empty($$ select row from decision except select row from answered $$, 'Every row of the table was tried');
select is_empty($$ select row, table_reason, reason, count(*), min(id), min(place) from answered where permitted is distinct from table_permitted group by 1, 2, 3 $$, 'The code permits what the table permits');
select is_empty($$ select row, table_reason, reason, count(*), min(id), min(place) from answered where reason is distinct from table_reason group by 1, 2, 3 $$, 'for the reason that the table gives');
select is_empty($$ select row, count(*), min(id), min(place) from answered where filter is distinct from table_permitted group by 1 $$, 'and so does the filter');
select is_empty($$ select distinct reason from decision except select distinct reason from answered $$, 'Every reason occurs');

select * from finish();
