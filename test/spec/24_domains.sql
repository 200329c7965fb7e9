-- Domains: renewals, translation by a linker, and what a holder is told and says in pseudonyms of its own.
\i test/story.sql
\set ON_ERROR_STOP 1
create function public.state_of(command text) returns text language plpgsql as $$
begin execute command; return 'ok'; exception when others then return sqlstate; end $$;
create function public.message_of(command text) returns text language plpgsql as $$
declare m text; d text; begin execute command; return 'ok';
exception when others then get stacked diagnostics m = message_text, d = pg_exception_detail; return m || ' ' || d; end $$;
select plan(64);
create role governance_abe2 login;
create role custodian_hara login;
do $$ begin
  perform niji.grant_duty('governance', 'governance_abe2');
  perform niji.grant_duty('custodian', 'custodian_hara');
end $$;
select domain from niji.permit where code = 'P2026-017' \gset
set session authorization governance_abe;
select niji.create_holder_domain('city-hospital') as hospital \gset
reset session authorization;
create table public.list as
  select array_agg(niji.pseudonym(p, :domain) order by n) as in_permit, array_agg(niji.pseudonym(p, :hospital) order by n) as in_hospital
    from (select n, niji.find_person('patient', '0110113719:' || to_char(n, 'FM0000')) as p from generate_series(1, 40) n) x;
grant select on public.list to public;

/* ---- opening: an act of two, neither of whom is the linker ---- */
set session authorization governance_abe;
prepare open (text, text, regrole, text) as select niji.open_translation($1, $2, $3, $4);
select throws_ok($$ execute open ('P2026-017', 'holder city-hospital', 'governance_abe', 'why') $$, '42501', null, 'Nobody makes themselves a linker');
select throws_ok($$ execute open ('P2026-017', 'P2026-017', 'custodian_hara', 'why') $$, '22023', null, 'A translation is between two domains');
select throws_ok($$ execute open ('P2026-017', 'nowhere', 'custodian_hara', 'why') $$, '42704', null, 'that exist');
select throws_ok($$ execute open ('P2026-017', 'holder city-hospital', 'custodian_hara', '') $$, '22023', null, 'for a reason');
select throws_ok($$ execute open ('P2026-017', 'holder city-hospital', 'analyst_fujita', 'why') $$, '42501', null, 'and not for a reader of one of them');
select throws_ok($$ select niji.open_translation('P2026-017', 'holder city-hospital', 'custodian_hara', 'why', now() + interval '2 years') $$, '22023', null, 'nor for years');
select is(niji.open_translation('P2026-017', 'holder city-hospital', 'custodian_hara', 'findings go back'), false, 'One person of governance asks');
select is(niji.open_translation('P2026-017', 'holder city-hospital', 'custodian_hara', 'again'), false, 'and cannot agree with themselves');
set session authorization custodian_hara;
prepare back as select niji.translate_pseudonyms(in_permit, (select from_domain from niji.translations limit 1), (select to_domain from niji.translations limit 1)) = in_hospital from public.list;
select throws_ok('execute back', '42501', null, 'Until a second agrees nobody translates');
set session authorization governance_abe2;
select is(niji.open_translation('P2026-017', 'holder city-hospital', 'custodian_hara', 'agreed', now() + interval '2 hours'), true, 'A second opens it');
select is((select state || ' ' || (valid_until < now() + interval '3 hours') from niji.translations), 'open true', 'for no longer than either said');

/* ---- translating ---- */
set session authorization custodian_hara;
select results_eq('execute back', array[true], 'The linker translates a list, in order');
select is((select niji.translate_pseudonym(in_permit[3], :domain, :hospital) = in_hospital[3] from public.list), true, 'or one');
select is(niji.translate_pseudonyms(array[null, (select in_permit[1] from public.list), null]::niji.pseudonym[], :domain, :hospital), (select array[null, in_hospital[1], null]::niji.pseudonym[] from public.list), 'Nulls stay where they are');
select is(cardinality(niji.translate_pseudonyms('{}', :domain, :hospital)), 0, 'An empty list is an empty list');
select is((select public.message_of(format('select niji.translate_pseudonyms(%L, %s, %s)', in_permit[1:4] || in_hospital[1], :domain, :hospital)) from public.list),
  format('pseudonym 5 of the list is not a person''s pseudonym of domain %s It is of another domain, of another class, or invented. Nothing was answered.', :domain), 'A foreign pseudonym stops it, by its place');
select is((select public.state_of(format('select niji.translate_pseudonyms(%L, %s, %s)', in_hospital, :hospital, :domain)) from public.list), '42501', 'The way back was not opened');
select is(public.state_of(format('select niji.translate_pseudonyms(array_fill(null::niji.pseudonym, array[500001]), %s, %s)', :domain, :hospital)), '54000', 'Half a million at once is the limit');
set session authorization custodian_goto;
select is((select public.state_of(format('select niji.translate_pseudonyms(%L, %s, %s)', in_permit, :domain, :hospital)) from public.list), '42501', 'It is open for one linker, not for all');
set session authorization analyst_fujita;
select is((select public.state_of(format('select niji.translate_pseudonyms(%L, %s, %s)', in_permit, :domain, :hospital)) from public.list), '42501', 'and for no analyst');

/* ---- the record ---- */
set session authorization custodian_hara;
begin;
select cardinality(niji.translate_pseudonyms(in_permit, :domain, :hospital)) as seen from public.list \gset
rollback;
reset session authorization;
select niji.move_trail() \g /dev/null
select is((select array_agg(header ->> 'pseudonyms' || '/' || (header ->> 'persons') order by seq) from niji.trail where header ->> 'action' = 'translate_pseudonyms' and header ->> 'object' = 'P2026-017 to holder city-hospital'),
  array['40/40', '1/1', '1/1', '0/0', '40/40'], 'Each translation is in the record with its numbers, also one that was rolled back');
select is((select count(*) from niji.trail where header ->> 'action' = 'translate_pseudonyms' and private ? 'persons'), 5::bigint, 'and whom it was about, in private');

/* ---- closing ---- */
set session authorization governance_abe;
select lives_ok('select niji.close_translation((select id from niji.translations), ''done'')', 'One person closes it');
set session authorization custodian_hara;
select throws_ok('execute back', '42501', null, 'and it is over');
reset session authorization;

/* ---- a holder is told, and says, in pseudonyms of its own ---- */
set session authorization loader_kato;
prepare ours (text[]) as select niji.holder_pseudonyms('city-hospital', 'patient', $1);
select throws_ok($$ execute ours (array['0110113719:0001']) $$, '42501', null, 'A loader is told nothing unless it acts for the holder');
set session authorization governance_abe;
select lives_ok($$ select niji.grant_holder('city-hospital', 'loader_kato') $$, 'Governance lets a loader act for a holder');
select throws_ok($$ select niji.grant_holder('city-hospital', 'governance_abe') $$, '42501', null, 'but not itself');
select niji.register_holder('other', 'other', 'insurer') \g /dev/null
select niji.create_holder_domain('other') \g /dev/null
reset session authorization;
select niji.enrol('patient', '0110113719:7777') is not null as elsewhere \g /dev/null
create schema stage authorization loader_kato;
create table warehouse.mixed (id bigint generated always as identity primary key, person niji.person not null, whose integer);
set session authorization loader_kato;
create table stage.diagnosis as select '0110113719:' || to_char(n, 'FM0000') as identifier, 'patient' as identifier_kind, 'E119' as disease, date '2025-02-02' as since from generate_series(1, 5) n;
select niji.load_dataset('diagnosis', 'stage.diagnosis') \g /dev/null
reset session authorization;
set session authorization loader_kato;
select results_eq($$ execute ours (array['0110113719:0001', '０１１０１１３７１９：０００２', null, '0110113719:7777', '0110113719:8888']) $$,
  $$ select array[in_hospital[1], in_hospital[2], null, null, null] from public.list $$, 'Then it is told the holder''s pseudonyms of who is in the holder''s data, and of nobody else');
select is(public.state_of($$ select niji.holder_pseudonyms('other', 'patient', array['0110113719:0001']) $$), '42501', 'and those of no other holder');
select is(public.state_of(format('select niji.pseudonym(null::niji.person, %s)', :domain)), 'ok', 'A null person is nobody');
select is(public.state_of($$ select niji.find_person_by_pseudonym(in_hospital[1], 'city-hospital') from public.list $$), '42501', 'A loader does not find persons by pseudonyms');
set session authorization consent_ito;
select is((select niji.find_person_by_pseudonym(in_hospital[5], 'city-hospital') = niji.find_person('patient', '0110113719:0005') from public.list), true, 'A consent officer finds whom the holder means');
select is(public.state_of($$ select niji.find_person_by_pseudonym(in_permit[5], 'city-hospital') from public.list $$), '22023', 'but not by a permit''s pseudonym');
select is(public.state_of($$ select niji.find_person_by_pseudonym(in_hospital[5], 'other') from public.list $$), '22023', 'nor by that of another holder');
select lives_ok($$ select niji.record_consent(niji.find_person_by_pseudonym(in_hospital[5], 'city-hospital'), 'deny', category => 'ehr', evidence => 'letter to the hospital') from public.list $$, 'and records an objection that came by way of the holder');
reset session authorization;
select is((select count(*) from niji.consent where person = niji.find_person('patient', '0110113719:0005')), 1::bigint, 'of that person');

/* corrections: rows that the holder names by its own pseudonyms */
set session authorization loader_kato;
create table stage.correction as
  select in_hospital[1]::text as identifier, 'holder_pseudonym' as identifier_kind, 'I10' as disease, date '2025-03-03' as since from public.list
  union all select lower(in_hospital[2]::text), 'holder_pseudonym', 'I10', '2025-03-03' from public.list
  union all select '0110113719:0003', 'patient', 'I10', '2025-03-03'
  union all select in_permit[3]::text, 'holder_pseudonym', 'I10', '2025-03-03' from public.list
  union all select in_hospital[20]::text, 'holder_pseudonym', 'I10', '2025-03-03' from public.list
  union all select 'nonsense', 'holder_pseudonym', 'I10', '2025-03-03';
select results_eq($$ select * from niji.load_dataset('diagnosis', 'stage.correction') $$, $$ values (3::bigint, 3::bigint, 0::bigint) $$, 'Rows that the holder names by its own pseudonyms are loaded, beside those with identifiers');
select results_eq('select reason, count(*) from niji.quarantine group by 1', $$ values ('has a pseudonym that is not one of the holder''s persons', 3::bigint) $$, 'A permit''s pseudonym, one of somebody who was in no file of the holder, and an invented one go to quarantine alike');
reset session authorization;
select results_eq($$ select person from warehouse.diagnosis where disease = 'I10' and since = '2025-03-03' order by 1 $$, $$ select p from (select niji.find_person('patient', '0110113719:' || n) as p from unnest(array['0001', '0002', '0003']) n) x order by 1 $$, 'Each is of the person whom it means');
set session authorization governance_abe;
select is(public.state_of($$ select niji.register_identifier_kind('holder_pseudonym', 'registry') $$), '22023', 'No kind of identifier has that name');
reset session authorization;
select niji.register_dataset('mixed', 'warehouse.mixed', array['person']::name[], null, 'ehr', 'law', holder_column => 'whose') \g /dev/null
set session authorization loader_kato;
create table stage.mixed as select in_hospital[1]::text as identifier, 'holder_pseudonym' as identifier_kind, 1 as whose from public.list;
select is(public.state_of($$ select niji.load_dataset('mixed', 'stage.mixed') $$), '22023', 'Where a row says whose it is, a pseudonym could be of any holder');
reset session authorization;
select niji.move_trail() \g /dev/null
select is((select header::text like '%"by_pseudonym": 2%' or private::text like '%"by_pseudonym": 2%' from niji.trail where header ->> 'action' = 'load_dataset' and header ->> 'object' = 'diagnosis' order by seq desc limit 1), true, 'The entry says how many were named so');
select is((select string_agg(header ->> 'action' || ' ' || (header ->> 'persons'), ', ' order by seq) from niji.trail where header ->> 'action' in ('holder_pseudonyms', 'find_person_by_pseudonym')),
  'holder_pseudonyms 2, find_person_by_pseudonym 1, find_person_by_pseudonym 1', 'Both are in the record');
set session authorization governance_abe;
select lives_ok($$ select niji.revoke_holder('city-hospital', 'loader_kato') $$, 'It ends');
set session authorization loader_kato;
select is(public.state_of($$ select niji.load_dataset('diagnosis', 'stage.correction') $$), '42501', 'and no row is loaded by pseudonyms any more');
reset session authorization;

/* ---- two who were taken for two are one: a list of before still leads to whom they are now ---- */
create function public.patient(n text) returns niji.person language sql stable as $$ select niji.find_person('patient', '0110113719:' || n) $$;
set session authorization governance_abe;
select niji.grant_holder('city-hospital', 'loader_kato') \g /dev/null
select niji.open_translation('P2026-017', 'holder city-hospital', 'custodian_hara', 'findings go back') \g /dev/null
set session authorization governance_abe2;
select niji.open_translation('P2026-017', 'holder city-hospital', 'custodian_hara', 'agreed') \g /dev/null
reset session authorization;
alter table warehouse.lab add column id bigint generated always as identity primary key;
alter table warehouse.diagnosis add column id bigint generated always as identity primary key;
create table public.pair as select public.patient('0001') as keep, public.patient('0002') as gone, public.patient('0003') as last;
grant select on public.pair to custodian_goto, custodian_hara, consent_ito;
delete from niji.holder_person where person = (select keep from public.pair);
set session authorization custodian_goto;
select niji.request_reidentification('P2026-017', in_permit[1:2], 'a finding') as before_merge from public.list \gset
set session authorization custodian_hara;
select niji.approve_reidentification(:before_merge) \g /dev/null
set session authorization custodian_goto;
select niji.merge_persons(keep, gone, 'same person') as merge from public.pair \gset
call niji.move_rows();
set session authorization custodian_hara;
select is((select niji.translate_pseudonyms(in_permit[1:3], :domain, :hospital) = array[in_hospital[1], in_hospital[1], in_hospital[3]] from public.list), true, 'After a merge the one who is gone is translated as the one who was kept');
select is((select niji.translate_pseudonyms(in_permit || in_permit[2], :domain, :hospital) = array[in_hospital[1], in_hospital[1]] || in_hospital[3:40] || in_hospital[1] from public.list), true, 'in a long list too');
select is((select niji.translate_pseudonym(in_permit[2], :domain, :hospital) = in_hospital[1] from public.list), true, 'and alone');
set session authorization consent_ito;
select is((select niji.find_person_by_pseudonym(in_hospital[2], 'city-hospital') = keep from public.list, public.pair), true, 'A holder''s pseudonym of before finds the person who was kept');
set session authorization loader_kato;
select is((select niji.holder_pseudonyms('city-hospital', 'patient', array['0110113719:0001', '0110113719:0002']) = array[in_hospital[1], in_hospital[1]] from public.list), true, 'A holder in whose files one was is told the pseudonym of both');
set session authorization custodian_goto;
select results_eq(format($$ select person, holder_pseudonym from niji.reidentify(%s, 'city-hospital') $$, :before_merge), $$ select keep, in_hospital[1] from public.pair, public.list, generate_series(1, 2) $$, 'A re-identification that was agreed before answers with who they are now');
select niji.request_reidentification('P2026-017', in_permit[2:2], 'another finding') as while_merged from public.list \gset
set session authorization custodian_hara;
select niji.approve_reidentification(:while_merged) \g /dev/null
reset session authorization;
select is((select array_agg((r.person = p.keep)::text || (r.person = p.gone)::text order by r.person = p.keep) from niji.reidentified r, public.pair p where r.reidentification = :before_merge), array['falsetrue', 'truefalse'], 'Both numbers are noted for who was told');
select is((select person from niji.reidentified where reidentification = :while_merged), (select keep from public.pair), 'and what is agreed while they are one is about the one who was kept');
set session authorization custodian_goto;
select niji.merge_persons(last, keep, 'and a third') as second_merge from public.pair \gset
set session authorization consent_ito;
select is((select niji.find_person_by_pseudonym(in_hospital[2], 'city-hospital') = last from public.list, public.pair), true, 'A chain of merges is followed');
set session authorization custodian_hara;
select is((select niji.translate_pseudonyms(in_permit[1:30], :domain, :hospital) = array[in_hospital[3], in_hospital[3]] || in_hospital[3:30] from public.list), true, 'in a long list too');
set session authorization custodian_goto;
call niji.move_rows();
select niji.undo_merge(:second_merge, 'a mistake') \g /dev/null
select niji.undo_merge(:merge, 'they were sisters') \g /dev/null
call niji.move_rows();
select is((select string_agg(distinct state, ', ') from niji.person_merges), 'undone', 'The merges are undone');
select results_eq(format('select person from niji.reidentify(%s)', :while_merged), 'select gone from public.pair', 'and the one who was gone is found again');
set session authorization custodian_hara;
select is((select niji.translate_pseudonyms(in_permit, :domain, :hospital) = in_hospital from public.list), true, 'A list is translated as before');
set session authorization consent_ito;
select is((select niji.find_person_by_pseudonym(in_hospital[2], 'city-hospital') = gone from public.list, public.pair), true, 'and a holder''s pseudonym finds the one whom it meant');
reset session authorization;

/* ---- renewals keep the domain, until it is erased ---- */
create procedure public.renew(code text, earlier text) language plpgsql as $$
begin
  execute 'set session authorization governance_abe';
  perform niji.apply_permit(code, 'Diabetes', 'tohoku-lab', 'research', current_date, current_date + 300, renews => earlier);
  perform niji.request_data(code, 'lab', array['value']);
  execute 'set session authorization reviewer_baba';
  perform niji.review_permit(code, 'approve');
  execute 'set session authorization reviewer_chiba';
  perform niji.review_permit(code, 'approve');
  execute 'set session authorization governance_abe';
  perform niji.grant_permit(code);
  perform niji.close_permit(earlier, 'renewed');
  execute 'reset session authorization';
end $$;
call public.renew('P2027-001', 'P2026-017');
call public.renew('P2028-001', 'P2027-001');
select is((select count(distinct domain) from niji.permit), 1::bigint, 'Two renewals keep the domain');
select is((select state from niji.permit where code = 'P2027-001'), 'closed', 'of permits that are closed');
set session authorization governance_abe;
select throws_ok($$ select niji.erase_domain('P2026-017', 'over') $$, '55000', null, 'It is not erased while the last renewal is in force');
select niji.close_permit('P2028-001', 'over') \g /dev/null
select lives_ok($$ select niji.erase_domain('P2026-017', 'over') $$, 'but when that is closed');
reset session authorization;
select public.message_of($$ call public.renew('P2029-001', 'P2028-001') $$) as renewed \gset
reset session authorization;
select is(:'renewed'::text, 'permit "P2028-001" cannot be renewed Its pseudonym domain was erased.', 'Then there is nothing to renew');
select * from finish();
