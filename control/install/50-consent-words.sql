/* ---- consent: words ---- */

create table @extschema@.category (
  category text primary key check (category ~ '^[a-z][a-z0-9_]{0,62}$'),
  name_ja text not null,
  description text not null,
  source text not null,
  shipped boolean not null default false
);
comment on table @extschema@.category is
  'Kinds of data: what a dataset belongs to, and what a consent, a notice or a rule may name. Words are flat: none contains another. Rows may be added.';
comment on column @extschema@.category.source is 'Where the word comes from: a law, a regulation, or niji itself';
comment on column @extschema@.category.shipped is 'True for what comes with the extension, which a dump leaves out';

insert into @extschema@.category (category, name_ja, description, source, shipped) values
  ('claims', 'レセプト情報', 'Claims for insured care', '高齢者の医療の確保に関する法律 (NDB); EHDS Art. 51(1)', true),
  ('ehr', '電子カルテ情報', 'Electronic health records: findings, laboratory results, prescriptions, documents', 'EHDS Art. 51(1)', true),
  ('checkup', '健診情報', 'Health check-ups, specific health guidance', '高齢者の医療の確保に関する法律 (特定健診)', true),
  ('registry', '疾病登録情報', 'Registries of diseases, such as intractable ones', '難病の患者に対する医療等に関する法律; EHDS Art. 51(1)', true),
  ('cancer', 'がん登録情報', 'Cancer registry', 'がん登録等の推進に関する法律', true),
  ('infection', '感染症情報', 'Notified infectious diseases', '感染症の予防及び感染症の患者に対する医療に関する法律 (iDB)', true),
  ('vaccination', '予防接種情報', 'Vaccinations and their adverse events', '予防接種法', true),
  ('care', '介護情報', 'Long-term care: certification, claims, LIFE', '介護保険法', true),
  ('disability', '障害福祉情報', 'Welfare services for persons with disabilities', '障害者の日常生活及び社会生活を総合的に支援するための法律', true),
  ('death', '死亡情報', 'Deaths and their causes', '統計法 (人口動態調査); EHDS Art. 51(1)', true),
  ('image', '医用画像', 'Medical images and their metadata', 'DICOM; niji', true),
  ('genome', 'ゲノム情報', 'Genetic and other molecular data', 'EHDS Art. 51(1)', true),
  ('biobank', 'バイオバンク情報', 'Samples and the data that belong to them', 'EHDS Art. 51(1)', true),
  ('phr', 'パーソナルヘルスレコード', 'What persons keep about themselves', 'EHDS Art. 51(1)', true),
  ('device', '医療機器・ウェアラブル情報', 'Data of medical devices and wearables', 'EHDS Art. 51(1)', true);

create table @extschema@.purpose (
  purpose text primary key check (purpose ~ '^[a-z][a-z0-9_]{0,62}$'),
  name_ja text not null,
  description text not null,
  source text not null,
  shipped boolean not null default false
);
comment on table @extschema@.purpose is
  'What data may be used for: of a permit, and what a consent or a rule may name. Words are flat. Rows may be added.';
comment on column @extschema@.purpose.source is 'Where the word comes from: a law, a regulation, or niji itself';
comment on column @extschema@.purpose.shipped is 'True for what comes with the extension, which a dump leaves out';

insert into @extschema@.purpose (purpose, name_ja, description, source, shipped) values
  ('public_health', '公衆衛生', 'Public and occupational health, protection against threats to health', 'EHDS Art. 53(1)', true),
  ('policy', '政策立案・評価', 'Policy making and regulation', 'EHDS Art. 53(1); 高齢者の医療の確保に関する法律', true),
  ('statistics', '統計作成', 'Official statistics', 'EHDS Art. 53(1); 統計法', true),
  ('education', '教育', 'Education and teaching in health or care', 'EHDS Art. 53(1)', true),
  ('research', '学術研究', 'Scientific research', 'EHDS Art. 53(1); 次世代医療基盤法', true),
  ('product_development', '製品・サービス開発', 'Development of medicinal products, devices and services', 'EHDS Art. 53(1); 次世代医療基盤法', true),
  ('ai_training', 'AIの学習', 'Training, testing and evaluation of algorithms', 'EHDS Art. 53(1)', true),
  ('personalised_care', '個別化医療', 'Better care of individuals from the data of others', 'EHDS Art. 53(1)', true);

create table @extschema@.basis (
  basis text primary key,
  name_ja text not null,
  description text not null,
  source text not null
);
comment on table @extschema@.basis is
  'On what a use may rest. Fixed, since each word is a branch of the decision: see docs/consent.md.';

insert into @extschema@.basis (basis, name_ja, description, source) values
  ('not_required', '同意不要', 'The law permits the use whatever the person says; consents play no part', '法令に基づく利用'),
  ('opt_out', 'オプトアウト', 'Permitted unless the person objected', 'EHDS Art. 71'),
  ('opt_out_after_notice', '通知後のオプトアウト', 'As opt_out, but only after the person was notified and a waiting time is over', '次世代医療基盤法 (通知と停止の求め)'),
  ('opt_in', '同意 (オプトイン)', 'Permitted only to whom the person permitted it', '個人情報の保護に関する法律; 人を対象とする生命科学・医学系研究に関する倫理指針');

/*
 * After death the Next-Generation Medical Infrastructure Act gives the right to
 * have the provision of data stopped to the relatives whom its cabinet order
 * names.  It gives them no right to permit what the person denied: hence
 * may_permit.  niji knows no deaths; after_death has the date stated.
 */
create table @extschema@.declarant (
  declarant text primary key check (declarant ~ '^[a-z][a-z0-9_]{0,62}$'),
  name_ja text not null,
  description text not null,
  until_required boolean not null default false,
  after_death boolean not null default false,
  may_permit boolean not null default true,
  source text not null,
  shipped boolean not null default false
);
comment on table @extschema@.declarant is 'Who may declare a consent. Rows may be added, for instance where another law names other relatives.';
comment on column @extschema@.declarant.until_required is
  'Whether a consent declared by them must say until when it holds, since their authority ends (a child comes of age)';
comment on column @extschema@.declarant.after_death is
  'Whether they speak for a person who has died: the consent must say when, and holds from then at the earliest';
comment on column @extschema@.declarant.may_permit is 'Whether they may permit as well; otherwise they may only deny';
comment on column @extschema@.declarant.source is 'Where their right to declare comes from: a law, a cabinet order, or niji itself';
comment on column @extschema@.declarant.shipped is 'True for what comes with the extension, which a dump leaves out';

insert into @extschema@.declarant (declarant, name_ja, description, until_required, after_death, may_permit, source, shipped) values
  ('self', '本人', 'The person', false, false, true, '次世代医療基盤法; EHDS Art. 71(1)', true),
  ('guardian', '親権者・後見人', 'Who has parental authority, or a guardian; niji knows no birth dates, so the end has to be said', true, false, true, '民法 第824条, 第859条', true),
  ('agent', '任意代理人', 'An agent whom the person appointed', false, false, true, '民法 第99条', true),
  ('spouse', '配偶者', 'The spouse of a person who has died, also one in fact though not registered', false, true, false, '次世代医療基盤法施行令 第6条', true),
  ('child', '子', 'A child of a person who has died', false, true, false, '次世代医療基盤法施行令 第6条', true),
  ('parent', '父母', 'A parent of a person who has died', false, true, false, '次世代医療基盤法施行令 第6条', true),
  ('grandchild', '孫', 'A grandchild of a person who has died', false, true, false, '次世代医療基盤法施行令 第6条', true),
  ('grandparent', '祖父母', 'A grandparent of a person who has died', false, true, false, '次世代医療基盤法施行令 第6条', true),
  ('sibling', '兄弟姉妹', 'A sibling of a person who has died', false, true, false, '次世代医療基盤法施行令 第6条', true);

select pg_catalog.pg_extension_config_dump('@extschema@.category', 'where not shipped');
select pg_catalog.pg_extension_config_dump('@extschema@.purpose', 'where not shipped');
select pg_catalog.pg_extension_config_dump('@extschema@.declarant', 'where not shipped');

insert into @extschema@.duty_right (duty, kind, object)
  select d, 'select', o
    from unnest(array['governance', 'consent_officer', 'auditor', 'reviewer']) d,
         unnest(array['category', 'purpose', 'basis', 'declarant']) o;
