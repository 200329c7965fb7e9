/* ---- codes: systems, releases, codes, maps ---- */

create table @extschema@.code_system (
  id integer primary key,
  name text not null unique,
  title_ja text not null,
  uri text,
  oid text,
  code_type text,
  hierarchy text not null default 'none' check (hierarchy in ('none', 'prefix', 'parent'))
);
comment on table @extschema@.code_system is 'Code systems (コード体系). Those below 1000 come with niji.';
comment on column @extschema@.code_system.name is 'The name that functions take.';
comment on column @extschema@.code_system.uri is 'The canonical URI in JP Core, where there is one.';
comment on column @extschema@.code_system.oid is 'The object identifier, without urn:oid:, where there is one.';
comment on column @extschema@.code_system.code_type is 'The type of niji whose canonical text the codes have; null: the text as it is.';
comment on column @extschema@.code_system.hierarchy is 'How one code contains another: none, prefix (its text begins it), parent (by niji.code.parent).';

insert into @extschema@.code_system (id, name, title_ja, uri, oid, code_type, hierarchy) values
  (1, 'ssk-disease', '傷病名マスター (レセプト電算処理システム)', 'http://jpfhir.jp/fhir/core/mhlw/CodeSystem/masterB-disease', null, 'receipt_code', 'none'),
  (2, 'ssk-modifier', '修飾語マスター (レセプト電算処理システム)', 'http://jpfhir.jp/fhir/core/mhlw/CodeSystem/masterZ-disease-modifier', null, 'receipt_code', 'none'),
  (3, 'ssk-drug', '医薬品マスター (レセプト電算処理システム)', null, '1.2.392.100495.20.1.71', 'receipt_code', 'none'),
  (4, 'ssk-procedure', '医科診療行為マスター (レセプト電算処理システム)', 'http://jpfhir.jp/fhir/core/mhlw/CodeSystem/masterS-medicalProcedure', null, 'receipt_code', 'none'),
  (5, 'ssk-material', '特定器材マスター (レセプト電算処理システム)', null, null, 'receipt_code', 'none'),
  (6, 'ssk-comment', 'コメントマスター (レセプト電算処理システム)', null, null, 'receipt_code', 'none'),
  (10, 'icd10', '疾病、傷害及び死因の統計分類 ICD-10 (2013年版)準拠', 'http://jpfhir.jp/fhir/core/mhlw/CodeSystem/ICD10-2013-full', null, 'icd10', 'prefix'),
  (11, 'icd10-2003', '疾病、傷害及び死因の統計分類 ICD-10 (2003年版)準拠', null, null, 'icd10', 'prefix'),
  (20, 'jlac10', '臨床検査項目分類コード JLAC10', 'http://medis.or.jp/CodeSystem/master-JLAC10-17digits', '1.2.392.200119.4.504', null, 'prefix'),
  (30, 'hot', '医薬品HOTコードマスター', 'http://medis.or.jp/CodeSystem/master-HOT13', '1.2.392.200119.4.402.1', null, 'prefix'),
  (31, 'yj', '個別医薬品コード (YJコード)', 'http://capstandard.jp/iyaku.info/CodeSystem/YJ-code', '1.2.392.100495.20.1.73', null, 'prefix');

/*
 * The files carry no header and no version: how many columns they have is the
 * only mark of their layout.  names are the official ones, in order.
 */
create table @extschema@.code_layout (
  system integer not null references @extschema@.code_system,
  columns integer not null,
  kind text not null,
  names text[] not null check (cardinality(names) = columns),
  primary key (system, columns)
);
comment on table @extschema@.code_layout is 'Layouts of master files that niji.load_codes() reads: by code system and number of columns.';
comment on column @extschema@.code_layout.kind is 'The kind of master (マスター種別) that each row names in its second column.';
comment on column @extschema@.code_layout.names is 'The columns'' official names, which are the keys of niji.code.attributes.';

insert into @extschema@.code_layout (system, columns, kind, names) values
  (1, 46, 'B', array[
    '変更区分', 'マスター種別', '傷病名コード', '移行先コード',
    '傷病名基本名称桁数', '傷病名基本名称', '傷病名省略名称桁数', '傷病名省略名称', '傷病名カナ名称桁数', '傷病名カナ名称',
    '病名管理番号', '採択区分', '病名交換用コード',
    'ICD-10-1（2003年版）', 'ICD-10-2（2003年版）', 'ICD-10-1（2013年版）', 'ICD-10-2（2013年版）', '予備1',
    '単独使用禁止区分', '保険請求外区分', '特定疾患等対象区分', '収載年月日', '変更年月日', '廃止年月日',
    '傷病名基本名称変更情報', '傷病名省略名称変更情報', '傷病名カナ名称変更情報', '採択区分変更情報', '病名交換用コード変更情報',
    'ICD-10-1（2003年版）変更情報', 'ICD-10-2（2003年版）変更情報', '歯科傷病名省略名称変更情報', '難病外来対象区分変更情報', '歯科特定疾患対象区分変更情報',
    '単独使用禁止区分変更情報', '保険請求外区分変更情報', '特定疾患等対象区分変更情報',
    '移行先病名管理番号', '歯科傷病名省略名称', '予備2', '予備3', '歯科傷病名省略名称桁数',
    '難病外来対象区分', '歯科特定疾患対象区分', 'ICD-10-1（2013年版）変更情報', 'ICD-10-2（2013年版）変更情報']);

create table @extschema@.code_release (
  id integer generated always as identity primary key,
  system integer not null references @extschema@.code_system,
  name text not null,
  valid_from date not null,
  complete boolean not null,
  sha256 bytea not null check (length(sha256) = 32),
  loaded_at timestamptz not null default now(),
  loaded_by name not null default session_user,
  taken integer not null,
  changed integer not null,
  ended integer not null,
  refused integer not null,
  details jsonb not null,
  unique (system, name)
);
comment on table @extschema@.code_release is 'Releases of code systems, side by side, each with the report of its loading.';
comment on column @extschema@.code_release.valid_from is 'From which day on this release answers.';
comment on column @extschema@.code_release.complete is 'Whether the file had all codes in force; otherwise only changes.';
comment on column @extschema@.code_release.sha256 is 'SHA-256 of the file.';
comment on column @extschema@.code_release.taken is 'Rows of the file that were stored.';
comment on column @extschema@.code_release.changed is 'Codes that an earlier release had with other contents.';
comment on column @extschema@.code_release.ended is 'Codes that ended: abolished in the file, or no longer in a complete one.';
comment on column @extschema@.code_release.refused is 'Rows that were not stored.';
comment on column @extschema@.code_release.details is 'The refused rows, with line and reason, and how many codes are new.';

create table @extschema@.code (
  system integer not null references @extschema@.code_system,
  code text collate "C" not null,
  release integer not null references @extschema@.code_release,
  display text not null,
  kana text,
  short_name text,
  valid daterange not null,
  parent text collate "C",
  listed boolean not null default true,
  attributes jsonb not null,
  primary key (system, code, release)
);
comment on table @extschema@.code is 'Codes by system, code and release: a release has a row for each code of its file, and one for each that it ended.';
comment on column @extschema@.code.code is 'The canonical text.';
comment on column @extschema@.code.valid is 'The days on which the code may be used; the day of abolition (廃止年月日) is the last of them.';
comment on column @extschema@.code.listed is 'False: the release ended the code by no longer having it; the row repeats the last known contents.';
comment on column @extschema@.code.attributes is 'The file''s columns by their official names; empty ones are left out.';

create table @extschema@.code_map (
  source_system integer not null references @extschema@.code_system,
  code text collate "C" not null,
  target_system integer not null references @extschema@.code_system,
  target_code text collate "C" not null,
  relation text not null check (relation in ('related-to', 'equivalent', 'source-is-narrower-than-target', 'source-is-broader-than-target', 'not-related-to')),
  rank text not null check (rank in ('primary', 'secondary')),
  release integer not null references @extschema@.code_release,
  primary key (source_system, code, release, target_system, rank, target_code)
);
comment on table @extschema@.code_map is 'Codes of one system in words of another, by release of the source system.';
comment on column @extschema@.code_map.relation is 'How the source relates to the target, in the words of FHIR R5 (concept map relationship).';
comment on column @extschema@.code_map.rank is 'primary, or secondary: the other half of ICD-10''s double classification (dagger and asterisk).';

create view @extschema@.code_systems as
  select s.name, s.title_ja, s.uri, s.oid, s.code_type, s.hierarchy,
         (select count(*) from @extschema@.code_release r where r.system = s.id) as releases,
         exists (select from @extschema@.code_layout l where l.system = s.id) as loadable
    from @extschema@.code_system s;
comment on view @extschema@.code_systems is 'The code systems that niji knows; loadable: niji.load_codes() reads its files.';

create view @extschema@.code_releases as
  select s.name as system, r.name as release, r.valid_from, r.complete, encode(r.sha256, 'hex') as sha256,
         r.loaded_at, r.loaded_by, r.taken, r.changed, r.ended, r.refused, r.details
    from @extschema@.code_release r
    join @extschema@.code_system s on s.id = r.system;
comment on view @extschema@.code_releases is 'The releases that were loaded, with the reports of their loading.';

create view @extschema@.codes as
  select s.name as system, c.code, r.name as release, c.display, c.kana, c.short_name, c.valid, c.parent, c.listed, c.attributes
    from @extschema@.code c
    join @extschema@.code_system s on s.id = c.system
    join @extschema@.code_release r on r.id = c.release;
comment on view @extschema@.codes is 'The codes of all releases.';

select pg_catalog.pg_extension_config_dump('@extschema@.code_system', 'where id >= 1000');
select pg_catalog.pg_extension_config_dump('@extschema@.code_layout', 'where system >= 1000');
select pg_catalog.pg_extension_config_dump('@extschema@.code_release', '');
select pg_catalog.pg_extension_config_dump('@extschema@.code_release_id_seq', '');
select pg_catalog.pg_extension_config_dump('@extschema@.code', '');
select pg_catalog.pg_extension_config_dump('@extschema@.code_map', '');

insert into @extschema@.duty_right (duty, kind, object)
select d, 'select', v
  from unnest(array['loader', 'consent_officer', 'reviewer', 'governance', 'auditor', 'custodian']) d,
       unnest(array['code_systems', 'code_releases', 'codes']) v;
