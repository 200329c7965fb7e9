-- code tables: loading a disease master, what is refused, look-ups, releases side by side
\set VERBOSITY terse
\getenv abs_srcdir PG_ABS_SRCDIR
\set master :abs_srcdir '/demo/masters/b.txt'
set client_min_messages = warning;
set timezone = 'Asia/Tokyo';
set datestyle = 'ISO, YMD';
create schema codes_test;
create role codes_test_reader;
create role codes_test_governance;
select niji.grant_duty('governance', 'codes_test_governance');

-- a file of rows in the layout of the disease master; every field is given by position
create function codes_test.row(code text, name text, icd text default '', change text default '0', listed text default '', altered text default '',
                               abolished text default '99999999', icd2 text default '', kind text default 'B', icd_2003 text default '') returns text language sql as $$
  select string_agg('"' || replace(case n when 1 then change when 2 then kind when 3 then code when 6 then name when 8 then name when 10 then 'カナ'
                                   when 14 then icd_2003 when 16 then icd when 17 then icd2 when 22 then listed when 23 then altered when 24 then abolished
                                   else '' end, '"', '""') || '"', ',' order by n) || E'\r\n'
    from generate_series(1, 46) n
$$;
create function codes_test.cp932(content text) returns bytea language sql as $$
  select convert_to(content, 'SJIS')
$$;

-- ---- before anything is loaded ----
select name, code_type, hierarchy, loadable from niji.code_systems order by name;
select * from niji.lookup_code('ssk-disease', '2500015');
select niji.validate_code('ssk-disease', '2500015');

-- ---- loading ----
select taken, changed, ended, refused, details from niji.load_codes('ssk-disease', '2024-06-01', pg_read_binary_file(:'master'), '2024-06-01');
-- the same file again changes nothing, other contents under the same name are refused
select taken, changed, ended, refused, details ->> 'loaded_before' as loaded_before
  from niji.load_codes('ssk-disease', '2024-06-01', pg_read_binary_file(:'master'), '2024-06-01');
select taken from niji.load_codes('ssk-disease', '2024-06-01', codes_test.cp932(codes_test.row('2500015', '別の中身')), '2024-06-01');
select release, valid_from, complete, sha256 = encode(sha256(pg_read_binary_file(:'master')), 'hex') as same_file, taken, refused from niji.code_releases;
select count(*), count(distinct code), bool_and(listed) from niji.codes where system = 'ssk-disease';

-- ---- look-ups ----
select display, kana, short_name, valid, release, attributes ->> '病名交換用コード' as exchange, attributes ? '予備1' as empty_kept
  from niji.lookup_code('ssk-disease', '2500015');
select * from niji.translate_code('ssk-disease', '8830042', 'icd10');
select * from niji.translate_code('ssk-disease', '0000999', 'icd10');
select * from niji.translate_code('ssk-disease', '2500015', 'icd10-2003');
select * from niji.translate_code('ssk-disease', '2500015', 'jlac10');
select display from niji.lookup_code('ssk-disease', '0000999');
-- the day of abolition is the last day of use
select d, niji.validate_code('ssk-disease', '8899991', d::date)
  from unnest(array['2007-12-31', '2008-01-01', '2024-03-31', '2024-04-01']) d;
-- without a date, dates are not judged
select display, valid from niji.lookup_code('ssk-disease', '8899991');
select niji.validate_code('ssk-disease', c) from unnest(array['2500015', '9999999', 'no code', '', '２５０００１５', '250001500', null]) c;
select niji.subsumes('icd10', 'E11', 'E119') as above, niji.subsumes('icd10', 'E11.9', 'E119') as same, niji.subsumes('icd10', 'E119', 'E11') as below,
       niji.subsumes('icd10', 'E1', 'E119') as no_code, niji.subsumes('icd10', 'E11', 'E12') as beside,
       niji.subsumes('ssk-disease', '2500015', '2500015') as equal_counts, niji.subsumes('ssk-disease', '2500015', '8830042') as flat;
select code, display from niji.expand('ssk-disease', '糖尿病');
select code, display from niji.expand('ssk-disease', '15');
select count(*) from niji.expand('ssk-disease');
select count(*) from niji.expand('ssk-disease', '%');
select count(*) from niji.expand('icd10');
-- a claims table grouped below a prefix
create table codes_test.claim (person integer, disease niji.receipt_code);
insert into codes_test.claim values (1, '2500015'), (2, '2500015'), (2, '8830042'), (3, '8833421'), (3, '1519006'), (4, '0000999');
select niji.prefix(t.target_code, 3) as category, count(*), count(distinct c.person) as persons
  from codes_test.claim c, niji.translate_code('ssk-disease', c.disease, 'icd10') t
 where t.rank = 'primary' and t.target_code::niji.icd10 <@ 'E'
 group by 1 order by 1;
select c.disease, e.display from codes_test.claim c join niji.expand('ssk-disease') e on c.disease = e.code order by 1, 2;

-- ---- unknown systems and wrong files ----
\set VERBOSITY default
\set SHOW_CONTEXT never
select * from niji.lookup_code('icd11', 'E119');
select niji.validate_code('', 'E119');
select * from niji.translate_code('ssk-disease', '2500015', 'icd11');
select niji.subsumes('icd11', 'E11', 'E119');
select * from niji.expand('icd11');
select * from niji.load_codes('icd11', '1', '\x30', '2025-01-01');
select * from niji.load_codes('ssk-drug', '1', '"0","Y","620000001"', '2025-01-01');
select * from niji.load_codes('icd10', '1', 'E119,diabetes', '2025-01-01');
select * from niji.load_codes('ssk-disease', '1', '"0","B","2500015"', '2025-01-01');
select * from niji.load_codes('ssk-disease', '1', '', '2025-01-01');
select * from niji.load_codes('ssk-disease', '1', convert_to(E'\r\n\r\n', 'UTF8'), '2025-01-01');
select * from niji.load_codes('ssk-disease', '', codes_test.cp932(codes_test.row('2500015', 'x')), '2025-01-01');
select * from niji.load_codes('ssk-disease', E'1\n', codes_test.cp932(codes_test.row('2500015', 'x')), '2025-01-01');
select * from niji.load_codes(null, '1', '\x30');
select * from niji.load_codes('ssk-disease', '1', null);
-- a file in another encoding: UTF-8, many lines
select * from niji.load_codes('ssk-disease', '1', (select convert_to(string_agg(codes_test.row((1000000 + n)::text, '未コード化', 'E11'), ''), 'UTF8') from generate_series(1, 150) n), '2025-01-01');
select count(*) as releases from niji.code_releases;
\set VERBOSITY terse

-- ---- rows that are wrong are named, and the others are stored ----
select x.taken, x.changed, x.ended, x.refused, x.details - 'refused_rows' as details
  from niji.load_codes('ssk-disease', 'bad rows', codes_test.cp932(
       codes_test.row('7000001', '良い行', 'E119')                                                         --  1
    || codes_test.row('700000', '短い', 'E119')                                                            --  2
    || codes_test.row('70000X3', '数字でない', 'E119')                                                     --  3
    || codes_test.row('7000004', '', 'E119')                                                               --  4
    || codes_test.row('7000005', '種別', 'E119', kind => 'Y')                                              --  5
    || codes_test.row('7000006', '変更区分', 'E119', change => '7')                                        --  6
    || codes_test.row('7000007', '日付', 'E119', listed => '20240230')                                     --  7
    || codes_test.row('7000008', '日付', 'E119', altered => '2024-01-01')                                  --  8
    || codes_test.row('7000009', '日付', 'E119', abolished => '20241301')                                  --  9
    || codes_test.row('7000010', '逆順', 'E119', listed => '20240401', abolished => '20240331')            -- 10
    || codes_test.row('7000011', '分類', 'E1')                                                             -- 11
    || codes_test.row('7000012', '分類', 'E119', icd2 => '無し')                                           -- 12
    || codes_test.row('7000001', '重複', 'I10')                                                            -- 13
    || codes_test.row('7000014', '', change => '9', abolished => '20240331')                               -- 14
    || '"0","B","7000015","欄が足りない"' || E'\r\n'                                                       -- 15
    || '"0","B","7000016"x,' || E'\r\n'                                                                    -- 16
    || E'\r\n'                                                                                             -- 17
    || codes_test.row('7000018', '引用符"と,区切り', 'E119')                                               -- 18
    || codes_test.row('7000019', '二〇〇三年版', 'E119', icd_2003 => 'E11.8')                              -- 19
    || '"0","B","7000020'                                                                                  -- 20
  ), '2024-07-01') x;
select r.line, r.code, r.reason from niji.code_releases, jsonb_to_recordset(details -> 'refused_rows') as r(line integer, code text, reason text)
 where release = 'bad rows' order by line;
select code, display from niji.codes where release = 'bad rows' order by code;
select * from niji.translate_code('ssk-disease', '7000019', 'icd10-2003');
-- a line that is not CP932
select x.taken, x.refused, x.details -> 'refused_rows' as refused_rows
  from niji.load_codes('ssk-disease', 'bad bytes',
         codes_test.cp932(codes_test.row('7100001', '良い行', change => '5'))
      || convert_to(E'"0","B","7100002","', 'UTF8') || '\x83ff'::bytea || convert_to(E'"\r\n', 'UTF8')
      || codes_test.cp932(codes_test.row('7100003', '良い行', change => '5'))
      || convert_to(E'"0","B","7100004","', 'UTF8') || '\x00'::bytea || convert_to(E'"\r\n', 'UTF8')
      || codes_test.cp932(codes_test.row('7100005', '良い行', change => '5')) || '\x1a'::bytea, '2024-08-01') x;
select code, display from niji.codes where release = 'bad bytes' order by code;
-- what Windows writes for wave dash, minus and their like, NEC's and IBM's characters
select taken from niji.load_codes('ssk-disease', 'characters',
  decode(replace(encode(codes_test.cp932(codes_test.row('7200001', '@', change => '5')), 'hex'), '40', '8160817c815c8161819181ca8740878aed40fa40f040'), 'hex'), '2024-08-02');
select display, (select string_agg(to_hex(ascii(c)), ' ') from regexp_split_to_table(display, '') c) as code_points from niji.lookup_code('ssk-disease', '7200001');

-- ---- releases side by side ----
-- only changes: one code changed its name, one ended (such rows carry code and date alone), one is new
select taken, changed, ended, refused, details from niji.load_codes('ssk-disease', '2025-01', codes_test.cp932(
     codes_test.row('8833421', '高血圧', 'I10', change => '5', listed => '20020601', altered => '20250101')
  || codes_test.row('1519022', '', change => '9', abolished => '20241231')
  || codes_test.row('8899992', '新しい病名', 'I159', change => '3')), '2025-01-01');
select d, (niji.lookup_code('ssk-disease', '8833421', d::date)).display as changed, niji.validate_code('ssk-disease', '1519022', d::date) as ended,
       niji.validate_code('ssk-disease', '8899992', d::date) as new
  from unnest(array['2001-01-01', '2024-06-01', '2024-12-31', '2025-01-01', '2030-01-01']) d;
select display, valid from niji.lookup_code('ssk-disease', '1519022');
select * from niji.translate_code('ssk-disease', '1519022', 'icd10', '2024-12-31');
-- a complete file: what it lacks has ended
select taken, changed, ended, details from niji.load_codes('ssk-disease', '2026-06', codes_test.cp932(
     codes_test.row('2500015', '２型糖尿病', 'E119', change => '5') || codes_test.row('8833421', '高血圧', 'I10', listed => '20020601')), '2026-06-01');
select c, niji.validate_code('ssk-disease', c, '2026-05-31') as before, niji.validate_code('ssk-disease', c, '2026-06-01') as after
  from unnest(array['2500015', '8833421', '1519006', '1519022', '8899991']) c;
select target_code from niji.translate_code('ssk-disease', '2500015', 'icd10', '2025-01-01')
union all select target_code from niji.translate_code('ssk-disease', '2500015', 'icd10', '2026-06-01');
select code, listed from niji.codes where release = '2026-06' and code in ('2500015', '1519006') order by code;
select count(*) from niji.expand('ssk-disease');
select code, difference, old_display, new_display, new_valid from niji.compare_releases('ssk-disease', '2024-06-01', '2025-01') where difference <> 'not in it';
select difference, count(*) from niji.compare_releases('ssk-disease', '2024-06-01', '2026-06') group by 1 order by 1;
select * from niji.compare_releases('ssk-disease', '2024-06-01', 'no such');
-- what does not look like a code is not repeated, nor is a report longer than a thousand rows
select x.taken, x.refused, x.details -> 'refused_rows_not_shown' as not_shown, jsonb_array_length(x.details -> 'refused_rows') as shown, x.details -> 'refused_rows' -> 0 as first
  from niji.load_codes('ssk-disease', 'wrong file', codes_test.cp932(codes_test.row('7300001', '良い行', change => '5') || (select string_agg(codes_test.row('山田太郎', '氏名'), '') from generate_series(1, 1002))), '2026-07-01') x;
\set VERBOSITY default
select * from niji.load_codes('ssk-disease', 'nothing right', codes_test.cp932(codes_test.row('山田太郎', '氏名')), '2026-07-01');
\set VERBOSITY terse

-- ---- rights ----
set session authorization codes_test_reader;
set search_path = '';
select display from niji.lookup_code('ssk-disease', '2500015');
select niji.validate_code('ssk-disease', '2500015'), niji.subsumes('icd10', 'E11', 'E119');
select target_code from niji.translate_code('ssk-disease', '2500015', 'icd10');
select count(*) from niji.expand('ssk-disease', '高血圧');
select * from niji.load_codes('ssk-disease', 'mine', '\x30');
select * from niji.load_codes_file('ssk-disease', 'mine', '/etc/passwd');
select count(*) from niji.code;
select count(*) from niji.codes;
select niji.read_csv('\x30', 'cp932');
select niji.find_code_system('icd10');
set session authorization codes_test_governance;
select count(*) > 0 as sees_codes from niji.codes;
select * from niji.load_codes_file('ssk-disease', 'file', '/etc/passwd');
select taken from niji.load_codes('ssk-disease', 'by governance', pg_catalog.convert_to('"', 'UTF8'));
reset session authorization;
reset search_path;
select taken from niji.load_codes_file('ssk-disease', 'by file', :'master', '2027-01-01');

-- ---- the reader of files ----
select * from niji.read_csv(E'a,"b ""c"", d",\n\n"e\nf",g\r\n"h', 'utf-8');
select * from niji.read_csv('\xefbbbf610d0a62', 'utf-8');
select * from niji.read_csv('a', 'latin1');
select f, niji.master_date(f) from unnest(array['20240229', '20230229', '00000000', '', '99999999', '2024022', '20240a01', '00010101', '00000101']) f;
select niji.canonical_code('icd10', 'e11.9'), niji.canonical_code('icd10', 'x'), niji.canonical_code('', 'as it is');

drop schema codes_test cascade;
select niji.revoke_duty('governance', 'codes_test_governance');
drop owned by codes_test_governance;
drop role codes_test_governance;
drop role codes_test_reader;
truncate niji.code_map, niji.code, niji.code_release;
