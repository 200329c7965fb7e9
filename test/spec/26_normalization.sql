-- Normalisation of names and its versions, as sentences.
select plan(41);

create role a_loader login;
create role an_officer login;
create role a_governor login;
create role an_analyst login;
select niji.grant_duty('loader', 'a_loader');
select niji.grant_duty('consent_officer', 'an_officer');
select niji.grant_duty('governance', 'a_governor');
create table note (what text primary key, person niji.person);
grant select, insert on note to public;
create function same(a text, b text) returns boolean language sql as
  $$ select (select person from note where what = a) = (select person from note where what = b) $$;

-- ---- one person's two spellings ----
set session authorization a_loader;
select lives_ok($$insert into note select i, niji.enrol('name_birth_sex', i || '|1950-01-02|1') from unnest(array['渡邊 髙志', '渡邉　高志', '渡辺高志', '渡部高志', 'ﾜﾀﾅﾍﾞ ｷﾖｳｼﾞ', 'ワタナベ・キョウジ', 'わたなべ きょうじ', 'ワタナベ キヨウシ', '佐々木さくら', '佐佐木サクラ', '齋藤 ヨシヱ', '斉藤ヨシエ']) i$$, 'Names are enrolled as they are written here and there');
reset session authorization;
select is(same('渡邊 髙志', '渡辺高志'), true, 'The Watanabe of the register is the Watanabe of the claim');
select is(same('渡邉　高志', '渡辺高志'), true, 'and so is the one with the other old form');
select is(same('渡部高志', '渡辺高志'), false, 'A Watabe is not');
select is(same('ﾜﾀﾅﾍﾞ ｷﾖｳｼﾞ', 'ワタナベ・キョウジ'), true, 'Half-width kana, which have no small yo in old files, are the same name');
select is(same('わたなべ きょうじ', 'ワタナベ・キョウジ'), true, 'So is hiragana');
select is(same('ワタナベ キヨウシ', 'ワタナベ・キョウジ'), false, 'A voiced sound tells people apart');
select is(same('佐々木さくら', '佐佐木サクラ'), true, 'A repeat mark is what it repeats, and hiragana and katakana meet beside kanji');
select is(same('齋藤 ヨシヱ', '斉藤ヨシエ'), true, 'The four characters of Saito are one, and we is e');
set session authorization a_loader;
select lives_ok($$insert into note select 'other sex', niji.enrol('name_birth_sex', '渡辺高志|1950-01-02|2') union all select 'other day', niji.enrol('name_birth_sex', '渡辺高志|1950-01-03|1')$$, 'The same name with another sex or day is enrolled');
reset session authorization;
select is(same('other sex', '渡辺高志') or same('other day', '渡辺高志'), false, 'It is somebody else');
set session authorization a_loader;
select lives_ok($$insert into note select i, niji.enrol('insured', i) from unnest(array['06139992:髙:ｷﾖ:01', '06139992:高:ｷｮ:01', '06139992:高:キョ:01', '06139992:高:きょ:01']) i$$, 'Insured numbers may have kanji and kana');
reset session authorization;
select is(same('06139992:高:ｷｮ:01', '06139992:高:キョ:01'), true, 'In numbers, width is folded');
select is((select count(distinct person::text) from note where what like '0613%'), 3::bigint, 'and nothing else: neither variants nor kana');
select is((select array_agg(distinct normalization order by normalization) from niji.identifier where kind = 3), array[2::smallint], 'The version of the rule is stored with each digest');
select is((select array_agg(distinct normalization) from niji.identifier where kind = 1), array[1::smallint], 'each rule has versions of its own');

-- ---- a kind that began with an older version ----
set session authorization a_governor;
select lives_ok($$select niji.register_identifier_kind('old_names', 'name_birth_sex', normalization => 1)$$, 'A kind may keep to an older version of its rule');
select throws_ok($$select niji.register_identifier_kind('future', 'name_birth_sex', normalization => 3)$$, '22023', 'there is no such version of the rule', 'but not to one that does not exist');
select throws_ok($$select niji.register_identifier_kind('future', 'patient', normalization => 0)$$, '22023', 'there is no such version of the rule', 'nor to one before the first');
set session authorization a_loader;
select lives_ok($$insert into note select 'old ' || i, niji.enrol('old_names', i || '|1950-01-02|1') from unnest(array['渡邉高志', '高橋一', '髙木二郎', '吉田', '斎藤']) i$$, 'Names are enrolled under the older version');
select is(niji.normalize_identifier('old_names', '髙木 二郎|1950-01-02|1'), '髙木二郎|1950-01-02|1', 'which keeps variants');
reset session authorization;
select is((select count(*) from niji.identifier i join niji.identifier_kind k on k.id = i.kind where k.kind = 'old_names' and i.normalization = 1), 5::bigint, 'The older version is stored with them');

set session authorization a_loader;
select throws_ok($$select niji.set_normalization('old_names', 2)$$, '42501', null, 'A loader does not change the version');
set session authorization a_governor;
select throws_ok($$select niji.set_normalization('old_names', 3)$$, '22023', 'there is no such version of the rule', 'There is no version 3 yet');
select throws_ok($$select niji.set_normalization('nonsense', 2)$$, '22023', 'there is no such kind of identifier', 'nor a kind of any name');
select lives_ok($$select niji.set_normalization('old_names', 2)$$, 'Governance moves the kind to the newer version');
select lives_ok($$select niji.set_normalization('old_names', 2)$$, 'Twice is no harm');
select throws_ok($$select niji.set_normalization('old_names', 1)$$, '22023', 'a kind does not go back to an older version of its rule', 'There is no way back');
reset session authorization;
select niji.seal_trail() \g /dev/null
select is((select count(*) from niji.trail_acts where action = 'set_normalization'), 1::bigint, 'The change is an act on record, once');

set session authorization an_officer;
select is(niji.find_person('old_names', '髙木二郎|1950-01-02|1'), (select person from note where what = 'old 髙木二郎'), 'Who was enrolled under the older version is found');
select is(niji.find_person('old_names', '高橋　一|1950-01-02|1'), (select person from note where what = 'old 高橋一'), 'so is who is the same in both');
select is(niji.find_person('old_names', '渡辺高志|1950-01-02|1'), null, 'Another spelling is not found yet: the digest cannot be turned back');
set session authorization a_loader;
select lives_ok($$insert into note select 'new ' || n, p from unnest(niji.enrol_batch('old_names', array['渡邊高志|1950-01-02|1', '渡邉高志|1950-01-02|1', '髙木二郎|1950-01-02|1', '𠮷田|1950-01-02|1'], max_new => 0)) with ordinality u(p, n)$$, 'A batch with one old spelling and another of the same name has nobody new');
reset session authorization;
select is(same('new 2', 'old 渡邉高志') and same('new 1', 'old 渡邉高志'), true, 'Both spellings are the one who was known');
select is(same('new 3', 'old 髙木二郎') and same('new 4', 'old 吉田'), true, 'Who was known is known');
set session authorization an_officer;
select is(niji.find_person('old_names', '渡辺高志|1950-01-02|1'), (select person from note where what = 'old 渡邉高志'), 'From then on any spelling is found');
set session authorization a_loader;
select lives_ok($$insert into note select 'single', niji.enrol('old_names', '齋藤|1950-01-02|1')$$, 'A spelling that nobody has had yet');
select lives_ok($$insert into note select 'single again', niji.enrol('old_names', '斎藤|1950-01-02|1')$$, 'does not take over who was known under another');
reset session authorization;
select is(same('single again', 'old 斎藤'), true, 'Who was known stays who they are');
select is(same('single', 'old 斎藤'), false, 'though the two would meet: that is a case for merging');
set session authorization an_analyst;
select throws_ok($$select niji.set_normalization('old_names', 2)$$, '42501', null, 'An analyst changes nothing');
reset session authorization;

select * from finish();
