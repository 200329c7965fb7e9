-- Re-identification: one custodian asks, another agrees, and the record is there before the answer.
\i test/story.sql
\set ON_ERROR_STOP 1
select plan(56);
create role custodian_hara login;
create role custodian_inoue login;
create role custodian_of_readers login;
grant analyst_fujita to custodian_of_readers;
do $$ begin
  perform niji.grant_duty('custodian', 'custodian_hara');
  perform niji.grant_duty('custodian', 'custodian_inoue');
  perform niji.grant_duty('custodian', 'custodian_of_readers');
end $$;
create function public.state_of(command text) returns text language plpgsql as $$
begin execute command; return 'ok'; exception when others then return sqlstate; end $$;
create function public.message_of(command text) returns text language plpgsql as $$
declare m text; d text; begin execute command; return 'ok';
exception when others then get stacked diagnostics m = message_text, d = pg_exception_detail; return m || ' ' || d; end $$;

set session authorization analyst_fujita;
select (array_agg(pid order by taken_on))[1] as first_pid, (array_agg(pid order by taken_on))[7] as seventh_pid from p2026_017.lab \gset
reset session authorization;
create table public.persons as select niji.find_person('patient', '0110113719:0001') as first_one, niji.find_person('patient', '0110113719:0007') as seventh;
grant select on public.persons to public;
select niji.pseudonym(first_one, (select domain from niji.permits where code = 'P2026-017') + 0) = :'first_pid' as genuine from public.persons \gset
select is(:'genuine', true, 'The analyst holds the first person''s pseudonym');
set session authorization governance_abe;
select niji.create_holder_domain('city-hospital') as hospital \gset
select is(niji.create_holder_domain('CITY-HOSPITAL'), :hospital, 'A holder has one domain');
select is(niji.holder_domain('city-hospital'), :hospital, 'and it is found by the holder''s code');
select throws_ok($$ select niji.create_holder_domain('nobody') $$, '42704', null, 'An unknown holder has none');
select throws_ok($$ select niji.request_reidentification('P2026-017', '{}', 'x') $$, '42501', null, 'Governance does not re-identify');
reset session authorization;
select niji.pseudonym(first_one, :hospital) as first_at_hospital from public.persons \gset

/* ---- asking ---- */
set session authorization custodian_goto;
prepare ask (text, niji.pseudonym[], text) as select niji.request_reidentification($1, $2, $3);
select niji.request_reidentification('p2026-017', array[:'first_pid', :'seventh_pid', :'first_pid']::niji.pseudonym[], 'suspected tuberculosis, to be told') as one \gset
select is((select pseudonyms || state || permit from niji.reidentifications where id = :one), '2requestedP2026-017', 'A custodian asks; a pseudonym that is there twice counts once');
select throws_ok(format('execute ask (''P2026-017'', array[%L]::niji.pseudonym[], '' '')', :'first_pid'), '22023', null, 'A reason is needed');
select throws_ok($$ execute ask ('P2026-999', array['0000000000000000000000000000'], 'x') $$, '22P02', null, 'What is no pseudonym is refused by its type');
select throws_ok(format('execute ask (''P2026-999'', array[%L]::niji.pseudonym[], ''x'')', :'first_pid'), '42704', null, 'The permit has to exist');
select throws_ok($$ execute ask ('P2026-017', null, 'x') $$, '22004', null, 'The list may not be null');
select throws_ok($$ execute ask ('P2026-017', '{}', 'x') $$, '22004', null, 'nor empty');
select throws_ok(format('execute ask (''P2026-017'', array[%L, null]::niji.pseudonym[], ''x'')', :'first_pid'), '22004', null, 'nor hold nulls');
reset session authorization;
select domain from niji.permit where code = 'P2026-017' \gset
set session authorization custodian_goto;
select is(public.message_of(format('select niji.request_reidentification(''P2026-017'', array[%L, %L]::niji.pseudonym[], ''x'')', :'first_pid', :'first_at_hospital')),
  format('pseudonym 2 of the list is not a person''s pseudonym of domain %s It is of another domain, of another class, or invented. Nothing was answered.', :domain),
  'A pseudonym of another domain is refused by its place, not by its value');
reset session authorization;
create table public.crowd as select array_agg(niji.pseudonym(n::text::niji.person, :domain)) as list from generate_series(1, 1001) n;
grant select on public.crowd to public;
select niji.pseudonym('0110113719'::niji.institution_code, :domain, '1'::niji.person) as institution \gset
set session authorization custodian_goto;
select is(public.state_of(format('select niji.request_reidentification(''P2026-017'', array[%L]::niji.pseudonym[], ''x'')', :'institution')), '22023', 'An institution''s pseudonym is not a person''s');
select is((select public.state_of(format('select niji.request_reidentification(''P2026-017'', %L, ''x'')', list)) from public.crowd), '54000', 'More than a thousand at once are refused');
select is((select public.state_of(format('select niji.request_reidentification(''P2026-017'', %L, ''x'')', list[2:])) from public.crowd), 'ok', 'A thousand are not');
set session authorization custodian_of_readers;
select is(public.state_of(format('select niji.request_reidentification(''P2026-017'', array[%L]::niji.pseudonym[], ''x'')', :'first_pid')), '42501', 'Who can become a reader of the permit does not ask');
select is(public.state_of(format('select niji.approve_reidentification(%s)', :one)), '42501', 'nor approve');
set session authorization analyst_fujita;
select is(public.state_of(format('select niji.request_reidentification(''P2026-017'', array[%L]::niji.pseudonym[], ''x'')', :'first_pid')), '42501', 'An analyst does not ask');
select is(public.state_of(format('select niji.reidentify(%s)', :one)), '42501', 'nor get an answer');
set session authorization auditor_endo;
select is(public.state_of(format('select niji.reidentify(%s)', :one)), '42501', 'nor does an auditor');
select is((select reason from niji.reidentifications where id = :one), 'suspected tuberculosis, to be told', 'who sees the requests');

/* ---- agreeing ---- */
set session authorization custodian_goto;
select is(public.state_of(format('select * from niji.reidentify(%s)', :one)), '55000', 'There is no answer before a second person agreed');
select is(public.state_of(format('select niji.approve_reidentification(%s)', :one)), '42501', 'Who asked does not agree');
set session authorization custodian_hara;
select is(public.state_of('select niji.approve_reidentification(99)'), '42704', 'What was not asked for is not approved');
select is(public.state_of(format('select niji.approve_reidentification(%s, ''31 days'')', :one)), '22023', 'An approval holds for a month at most');
select is(public.state_of(format('select niji.approve_reidentification(%s, ''0'')', :one)), '22023', 'and for some time');
select is(niji.approve_reidentification(:one), now() + interval '7 days', 'A second custodian agrees, for seven days');
select is(public.state_of(format('select niji.approve_reidentification(%s)', :one)), '55000', 'once');
set session authorization custodian_inoue;
select is(public.state_of(format('select * from niji.reidentify(%s)', :one)), '42501', 'A third custodian gets no answer');

/* ---- the answer ---- */
set session authorization custodian_goto;
select is((select state from niji.reidentifications where id = :one), 'approved', 'It is approved');
begin;
select count(*) as seen from niji.reidentify(:one) \gset
rollback;
select is(:seen, 2, 'The answer was seen, and the transaction rolled back');
reset session authorization;
select niji.pseudonym(seventh, :hospital) as seventh_at_hospital from public.persons \gset
create table public.answer (pseudonym text, person text, holder_pseudonym text);
grant all on public.answer to public;
set session authorization custodian_goto;
insert into public.answer select pseudonym::text, person::text, holder_pseudonym::text from niji.reidentify(:one, 'city-hospital');
select results_eq('select pseudonym, person, holder_pseudonym from public.answer order by pseudonym',
  format('select * from (select %L, first_one::text, %L from public.persons union all select %L, seventh::text, %L from public.persons) x (p, q, r) order by p',
         :'first_pid', :'first_at_hospital', :'seventh_pid', :'seventh_at_hospital'),
  'The answer is the persons, and what the hospital calls them');
select is((select state from niji.reidentifications where id = :one), 'used', 'Then the request is used');
select is(public.message_of(format('select * from niji.reidentify(%s)', :one)), format('cannot answer re-identification %s It was answered; ask anew.', :one), 'It is answered once');

/* ---- the record ---- */
reset session authorization;
select niji.move_trail() \g /dev/null
select is((select count(*) from niji.trail_acts where action = 'reidentify' and object = 'P2026-017'), 2::bigint, 'Both answers are in the record, also the one that was rolled back');
select is((select header ->> 'persons' from niji.trail where kind = 'act' and header ->> 'action' = 'reidentify' limit 1), '2', 'with their number in public');
set session authorization auditor_endo;
select is((select details ->> 'requested_by' || ' ' || (details ->> 'approved_by') || ' ' || jsonb_array_length(details -> 'pseudonyms') from niji.trail_acts where action = 'reidentify' limit 1),
  'custodian_goto custodian_hara 2', 'and with who, and which, in private');
select is((select count(*) from niji.trail where header::text like '%' || :'first_pid' || '%'), 0::bigint, 'No public header has a pseudonym');
select results_eq($$ select permit, kind, reads from public.persons, niji.who_used(first_one) where kind like '%identified' $$, $$ values ('P2026-017', 're-identified', 1::bigint) $$, 'The person can be told');
select is((select count(*) from niji.verify_trail()), 0::bigint, 'The trail is intact');

/* ---- rejection, time, the end of the permit ---- */
set session authorization custodian_goto;
select niji.request_reidentification('P2026-017', array[:'seventh_pid']::niji.pseudonym[], 'two') as two,
       niji.request_reidentification('P2026-017', array[:'seventh_pid']::niji.pseudonym[], 'three') as three,
       niji.request_reidentification('P2026-017', array[:'seventh_pid']::niji.pseudonym[], 'four') as four \gset
set session authorization custodian_hara;
select is(public.state_of(format('select niji.reject_reidentification(%s, null)', :two)), '22023', 'A rejection needs a reason');
select lives_ok(format('select niji.reject_reidentification(%s, ''not necessary'')', :two), 'A custodian rejects');
select is(public.state_of(format('select niji.approve_reidentification(%s)', :two)), '55000', 'What was rejected is not approved');
select lives_ok(format('select niji.approve_reidentification(%s, ''1 second'')', :three), 'A custodian agrees for a second');
select niji.approve_reidentification(:four) \g /dev/null
select pg_sleep(1.1) \g /dev/null
select is(public.message_of(format('select * from niji.reidentify(%s)', :three)), format('cannot answer re-identification %s Its time is over.', :three), 'Then it is too late');
select is((select state from niji.reidentifications where id = :three), 'expired', 'and seen to be');
set session authorization governance_abe;
select lives_ok(format('select niji.reject_reidentification(%s, ''a mistake'')', :four), 'Governance stops what was approved');
set session authorization custodian_goto;
select is(public.state_of(format('select * from niji.reidentify(%s)', :four)), '55000', 'and there is no answer any more');
select niji.request_reidentification('P2026-017', array[:'seventh_pid']::niji.pseudonym[], 'five') as five \gset
set session authorization custodian_hara;
select niji.approve_reidentification(:five) \g /dev/null
set session authorization governance_abe;
select niji.close_permit('P2026-017', 'over') \g /dev/null
set session authorization custodian_goto;
select is(public.state_of(format('select * from niji.reidentify(%s)', :five)), '55000', 'A closed permit re-identifies nobody');
select is((select state from niji.reidentifications where id = :five), 'void', 'and its requests are void');
select is(public.state_of(format('select niji.request_reidentification(''P2026-017'', array[%L]::niji.pseudonym[], ''x'')', :'seventh_pid')), '55000', 'nor does anybody ask');

/* ---- nobody passes by ---- */
select is(public.state_of(format('select niji.persons_of(array[%L]::niji.pseudonym[], %s)', :'seventh_pid', :domain)), '42501', 'A custodian cannot call what is inside');
select is(public.state_of(format('select niji.person_of(%L, %s)', :'seventh_pid', :domain)), '42501', 'nor turn one back alone');
select is(public.state_of('select * from niji.reidentification'), '42501', 'nor read the pseudonyms that were asked for');
select is(public.state_of($$ select niji.record_disclosure('reidentify', 'x', 1, '{}') $$), '42501', 'nor write such entries');
select * from finish();
