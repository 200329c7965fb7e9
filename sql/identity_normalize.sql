-- Identifiers in canonical form.  Needs no key and no preload.

-- the canonical form, or how it was refused: SQLSTATE, message, detail
create function pg_temp.n(kind text, identifier text) returns text language plpgsql as $$
declare
  d text;
begin
  return niji.normalize_identifier(kind, identifier);
exception when others then
  get stacked diagnostics d = pg_exception_detail;
  return format('%s: %s. %s', sqlstate, sqlerrm, d);
end
$$;
-- doubts about what has a canonical form
create function pg_temp.c(kind text, identifier text) returns text language sql as
  $$ select concat_ws(' ', level, rule) from niji.check_identifier(kind, identifier) $$;

-- insured: widths, spaces, dashes, zeros
select i, pg_temp.n('insured', i) as n from (values
  ('06139992:12:34:01'), ('０６１３９９９２：１２：３４：０１'), (' 0613 9992 :12:34: 1'), ('6139992:12:34:01'),
  ('133066:12:34:01'), ('  133066:12:34:01'), ('00133066:12:34:01'), ('13306:12:34:01'),
  ('00012345:あいう:１８７:05'), ('00012345::１８７:00'),
  ('00012345:ｱｲｳ:187:05'), ('00012345:ア－１:187:05'), ('00012345:ア‐１:187:05'), ('00012345:１ー２:187:05'), ('00012345:サー:187:05'),
  ('00012345:0012:00187:05'), ('00012345:Ａb:187:05')) as v(i);
-- the symbol and the number are all in full or all in half width, without spaces, and kana and signs are in full width: else a doubt
select i, pg_temp.c('insured', i) as c from (values
  ('06139992:12:34:01'), ('06139992:１２:３４:01'), ('06139992:１２:34:01'), ('06139992:あいう:１８７:01'), ('06139992::１８７:01'), (' 06139992 :12 : 34:01'),
  ('06139992:１2:34:01'), ('06139992:あ12:34:01'), ('06139992:ｱ:34:01'), ('06139992:1-2:34:01'), ('06139992:１－２:34:01'), ('06139992:12:3 4:01'), ('06139992:　１２:３４:01'), ('06139992:１　２:３４:01'),
  ('06139993:１2:34:01')) as v(i);
-- without a branch number; birth dates as people write them
select i, pg_temp.n('insured', '133066:12:34::' || i) as n from (values
  ('1950-01-02:1'), ('1950/1/2:M'), ('19500102:男'), ('昭和２５年１月２日:男性'), ('昭25.1.2:male'), ('S25-01-02:m'), ('s250102:1'), ('3250102:1'), ('㍼25年1月2日:1'),
  ('昭和64年1月7日:2'), ('平成元年1月8日:女'), ('㋿元年5月1日:F'), ('T15.12.25:2'), ('S1.12.25:2'), ('M45.7.30:2'), ('2000-02-29:female')) as v(i);
-- a branch number makes them superfluous, but they are looked at
select pg_temp.n('insured', '133066:12:34:01:1950-01-02:1'), pg_temp.n('insured', '133066:12:34:01:1950-13-02:1');
-- an empty branch number is not 00
select pg_temp.n('insured', '133066:12:34:00') = pg_temp.n('insured', '133066:12:34::1950-01-02:1') as same;

-- insured: what is refused, and why
select i, pg_temp.n('insured', i) as refused from (values
  (''), (' 　'), ('x'), ('1:2:3'), ('133066:12:34:'), ('133066:12:34::1950-01-02'), ('a:b:c:d:e:f:g'),
  (':12:34:01'), ('1234:12:34:01'), ('123456789:12:34:01'), ('12E45678:12:34:01'), ('00000000:12:34:01'),
  ('133066:12::01'), ('133066:12:34:001'), ('133066:12:34:A1'), ('133066:12:34::1950-01-02:3'), ('133066:12:34::1950-01-02:'),
  (E'133066:12:34:01\n'), (E'133066:12\u0001:34:01'), (E'133066:12:34\u2028:01'), (E'133066:12\u0378:34:01'), (E'133066:12\uFFFF:34:01')) as v(i);
select i, pg_temp.n('insured', '133066:12:34::' || i || ':1') as refused from (values
  (''), ('1950'), ('1950-01'), ('50-01-02'), ('1950-01/02'), ('1950年01-02'), ('1950-1-2-3'), ('1950-001-02'), ('6250102'), ('S19500102'), ('X25-01-02'), ('昭和'), ('昭和年1月2日'), ('S0-01-02'), ('元年1月2日'),
  ('1950-00-02'), ('1950-13-02'), ('1950-02-30'), ('1900-02-29'), ('1950-01-00'),
  ('S64-01-08'), ('H1-01-07'), ('R1-04-30'), ('H31-05-01'), ('M1-01-01'),
  ('1867-12-31'), ('2200-01-01')) as v(i);
select pg_temp.n('insured', repeat('1', 2000)) as "too long", pg_temp.n('insured', '133066:' || repeat('1', 130) || ':34:01') as "a field too long";

-- a My Number (body 12345678901, check digit 8) is refused in insured, wherever it stands and however it is written
select i, pg_temp.n('insured', i) as refused from (values
  ('123456789018'), ('１２３４ ５６７８ ９０１８'), ('1234-5678-9018'),
  ('133066:12:123456789018:01'), ('133066:123456789018:1:01'), ('133066:123456:789018:01'), ('133066::1234-5678-9018:01')) as v(i);
select pg_temp.n('insured', '133066:12:123456789019:01') as "no check digit of a My Number", pg_temp.n('insured', '133066:12:000000000000:01') as "zeros stand for nothing";
-- elsewhere it is flagged
select pg_temp.c('patient', '0110113719:123456789018'), pg_temp.c('registry', 'jacr:123456789018'), pg_temp.c('patient', '0110113719:123456789019');

-- patient
select i, pg_temp.n('patient', i) as n, pg_temp.c('patient', i) as c from (values
  ('0110113719:0001'), ('０１１０１１３７１９：０００１'), ('110113719:0001'), ('10110113719:0001'), ('0110113719: A-1 '), ('0110113719:Ａ－１'),
  ('0110113718:1'), ('4810113719:1'), ('0010113719:1'), ('13b1234567:1'),
  ('0110113719'), ('0110113719:'), ('0110113719:1:2'), ('011011371:1'), ('11011371:1'), ('011011371X:1'), ('20110113719:1')) as v(i);

-- name_birth_sex
select i, pg_temp.n('name_birth_sex', i) as n from (values
  ('ヤマダタロウ|1950-01-02|1'), ('ﾔﾏﾀﾞ ﾀﾛｳ|S25.1.2|M'), ('やまだ　たろう｜昭和25年1月2日｜男'), ('ヤマタ゛・タロウ|19500102|1'),
  ('ｻﾄｰ|1950-01-02|1'), ('サト－|1950-01-02|1'), ('サトー|1950-01-02|1'),
  ('山田 さくら|1950-01-02|2'), (E'葛\U000E0100城 花子|1950-01-02|2'), ('葛城花子|1950-01-02|2'), ('渡邊|1950-01-02|2'), ('渡辺|1950-01-02|2'), ('佐々木|1950-01-02|2'),
  (E'\uFA19|1950-01-02|1'), ('Smith, John|1950-01-02|1'), ('ＳＭＩＴＨ　ＪＯＨＮ|1950-01-02|1'), (E'O\u2019Brien|1950-01-02|1'), ('é|1950-01-02|1'), (E'e\u0301|1950-01-02|1'),
  ('|1950-01-02|1'), ('・|1950-01-02|1'), ('-|1950-01-02|1'), ('山■太郎|1950-01-02|1'), ('山田1|1950-01-02|1'), ('山田|1950-01-02'), ('山田|1950-01-02|1|x'), ('山田||1'), ('山田|1950-01-02|9')) as v(i);
select pg_temp.c('name_birth_sex', E'山\uE000|1950-01-02|1') as gaiji;

-- names that meet: variants of kanji
select v.names, count(distinct pg_temp.n('name_birth_sex', n || '|1950-01-02|1')) as forms, min(pg_temp.n('name_birth_sex', n || '|1950-01-02|1')) as n
  from (values ('髙橋 高橋'), ('山﨑 山崎 山嵜'), ('渡邊 渡邉 渡辺'), ('齋藤 齊藤 斎藤 斉藤'), ('𠮷田 吉田'), ('長嶋 長嶌 長島'), ('冨澤 富沢'), ('櫻井 桜井'), ('廣瀨 広瀬'), ('眞壁 真壁'),
    ('德永惠 徳永恵'), ('國分 国分'), ('濱田 濵田 浜田'), ('條 条'), ('莊藏 荘蔵'), ('龍一 竜一'), ('靏田 鶴田'), (E'\u2ED1谷 長谷'), (E'\uFA19\uFA1A 神祥'), (E'\u5DF7\uFE00 \u5DF7')) v(names), string_to_table(v.names, ' ') n
 group by v.names order by v.names collate "C";
-- kana: widths, hiragana, small ones, those that half width has not, long marks, repeat marks
select v.names, count(distinct pg_temp.n('name_birth_sex', n || '|1950-01-02|1')) as forms, min(pg_temp.n('name_birth_sex', n || '|1950-01-02|1')) as n
  from (values ('キョウコ キヨウコ きょうこ ｷｮｳｺ ｷﾖｳｺ'), ('ハットリ ハツトリ ﾊﾂﾄﾘ'), ('ヨシヱ ヨシエ よしゑ ﾖｼｴ'), ('ヰト イト'), ('三ヶ島 三ケ島 三ｹ島'), ('一ノ瀬 一の瀬'), ('山田さくら 山田サクラ'),
    ('ローラ ロ－ラ ﾛｰﾗ ﾛ-ﾗ ロ―ラ'), ('みすゞ ミスズ みすず'), ('さゝき ささき ササキ'), ('佐々木 佐佐木'), ('奈々 奈奈'), ('髙々 高高'), ('ば ﾊﾞ バ ハ゛ は゛'), (E'\u304B\u3099 が ガ ｶﾞ'), (E'\u31F0\u31F3 クト')) v(names), string_to_table(v.names, ' ') n
 group by v.names order by v.names collate "C";
-- names that do not
select v.names, count(distinct pg_temp.n('name_birth_sex', n || '|1950-01-02|1')) as forms
  from (values ('チヅ チズ'), ('ヂ ジ'), ('ヲ オ'), ('ヴァ バ'), ('オオノ オウノ オーノ'), ('ハ バ パ'), ('ニ 二'), ('太一 太ー'), ('渡辺 渡部 渡邊子'), ('坂 阪'), ('祐 佑'), ('裕 祐'), ('昴 昂'), ('荘 庄'), ('巌 岩'), ('碕 崎')) v(names), string_to_table(v.names, ' ') n
 group by v.names order by v.names collate "C";
-- a repeat mark with nothing to repeat stays, and rests
select i, pg_temp.n('name_birth_sex', i || '|1950-01-02|1') as n from (values ('々木'), ('ゞ'), ('A々'), ('カー々')) v(i);

-- registry
select i, pg_temp.n('registry', i) as n from (values
  ('jacr:0012'), ('ｊａｃｒ：００１２'), ('全国がん登録: 12-3'), ('jacr'), (':1'), ('jacr:'), ('a:b:c')) as v(i);

-- hash IDs need a kind of their own, with issuer and epoch
select niji.register_identifier_kind('hash_2024', 'hash', 'mhlw', '2024') > 100 as registered;
select i, pg_temp.n('hash_2024', i) as n from (values
  (repeat('0123456789abcdef', 4)), (repeat('0123456789ABCDEF', 4)), (repeat('０１２３４５６７８９ａｂｃｄｅｆ', 4)),
  (repeat('9', 64)), (repeat('0', 64)), ('null'), (repeat('0123456789abcdef', 3)), (repeat('0123456789abcdeg', 4))) as v(i);

-- a kind may keep to an older version of its rule; the table has what the library has
select niji.register_identifier_kind('exact_names', 'name_birth_sex', normalization => 1) > 100 as registered;
select pg_temp.n('exact_names', '髙橋 きょうこ|1950-01-02|1'), pg_temp.n('exact_names', 'きょうこ|1950-01-02|1'), pg_temp.n('exact_names', '佐々木|1950-01-02|1');
select rule, normalization from niji.identifier_rule order by 1;
begin;
update niji.identifier_kind set normalization = (select r.normalization from niji.identifier_rule r where r.rule = identifier_kind.rule) + 1;
select kind, split_part(pg_temp.n(kind, 'x'), ':', 1) as "not in the library" from niji.identifier_kind order by kind;
rollback;
select niji.set_normalization('exact_names', 2);
select pg_temp.n('exact_names', '髙橋 きょうこ|1950-01-02|1');

-- kinds: what cannot be registered
create function pg_temp.r(kind text, rule text, issuer text default null, epoch text default null) returns text language plpgsql as $$
begin
  perform niji.register_identifier_kind(kind, rule, issuer, epoch);
  return 'registered';
exception when others then
  return format('%s: %s', sqlstate, sqlerrm);
end
$$;
select pg_temp.r('h', 'hash'), pg_temp.r('h', 'hash', 'mhlw'), pg_temp.r('h', 'hash', 'mhlw', ' ');
select pg_temp.r('h', 'nonsense'), pg_temp.r('h', null), pg_temp.r(null, 'registry'), pg_temp.r('insured', 'insured');
select pg_temp.r('', 'registry'), pg_temp.r('X', 'registry'), pg_temp.r($$x'; drop table niji.identifier; --$$, 'registry'), pg_temp.r(repeat('x', 64), 'registry');
-- an unknown kind is not repeated: it may be an identifier in the wrong place
select pg_temp.n('0110113719:0001', 'patient'), pg_temp.n('hash', 'x');
select niji.normalize_identifier(null, 'x') is null as "null kind", niji.normalize_identifier('patient', null) is null as "null identifier";

-- the canonical form of a canonical form is itself
select count(*) as "not at rest" from (values
  ('insured', '００１３３０６６：ｱｲｳ：１ー２：１'), ('insured', '133066:12:34::昭和２５年１月２日:男'), ('patient', '110113719:Ａ－１'),
  ('name_birth_sex', 'ﾔﾏﾀﾞ ﾀﾛｰ|S25.1.2|M'), ('registry', 'ｊ:㈱①'), ('hash_2024', repeat('0123456789ABCDEF', 4))) as v(kind, i)
 where niji.normalize_identifier(kind, niji.normalize_identifier(kind, i)) <> niji.normalize_identifier(kind, i);

-- what needs the preload says so, and nobody without a duty gets as far
\set VERBOSITY terse
select niji.enrol('patient', '0110113719:0001');
select niji.enrol_batch('patient', array['0110113719:0001']);
select niji.find_person('patient', '0110113719:0001');
select * from niji.key_status();
create role regress_identity_nobody;
set session authorization regress_identity_nobody;
select niji.normalize_identifier('patient', '0110113719:0001');
select niji.enrol('patient', '0110113719:0001');
select niji.find_person('patient', '0110113719:0001');
select * from niji.key_status();
select * from niji.identifier;
select * from niji.master_key;
reset session authorization;
drop role regress_identity_nobody;
