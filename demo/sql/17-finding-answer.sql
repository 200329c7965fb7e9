-- as a second custodian: agrees, and takes the answer for the hospital, which knows the person by a pseudonym of its own
select niji.approve_reidentification(1) is not null as approved;
select holder_pseudonym from niji.reidentify(1, 'niji-hospital') \gset
\echo '   the finding goes back under the hospital''s pseudonym, with no name, to be found among its patients:'
select :'pid' as "permit's pseudonym", :'holder_pseudonym' as "hospital's pseudonym";

-- as the hospital's loader: its own list of patients, in its own pseudonyms
\connect - loader_kato
\set patients `sed -n 's/.*"birthDate": "\([^"]*\)","gender": "\([a-z]*\)".*"value": "\([0-9]*\)"},{[^}]*memberID","value": "\([^"]*\)".*/\3 \4 \1:\2/p' "$DEMO_FILES"/fhir/observation-*.json`
select list.chart from
  (select array_agg(split_part(p, ' ', 1) order by n) as charts,
          niji.holder_pseudonyms('niji-hospital', 'insured',
            array_agg(split_part(p, ' ', 2) || case when split_part(p, ' ', 2) like '%:' then ':' || split_part(p, ' ', 3) else '' end order by n)) as pseudonyms
     from unnest(string_to_array(:'patients', E'\n')) with ordinality u (p, n)) h, unnest(h.charts, h.pseudonyms) list (chart, pseudonym)
 where list.pseudonym = :'holder_pseudonym' \gset
select :'chart' as "patient to be called";
