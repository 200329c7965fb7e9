# Pseudonym projection: niji.pseudonym against keyed hashes of pgcrypto, on the same 5 million rows.
sql postgres <<'SQL' >/dev/null
create table bench_people (person niji.person not null, x text not null);
insert into bench_people
  select (i % 1000000 + 1)::text::niji.person, lpad(i::text, 20, '0') from generate_series(1, 5000000) i;
vacuum (freeze, analyze) bench_people;
select niji.create_domain('bench');
SQL
domain=$(sql postgres -c "select id from niji.domain where name = 'bench'")
compare "Pseudonyms: 5 million rows" <<LINES
count(x), the floor|postgres|select count(x) from bench_people
niji.pseudonym(person, domain)|postgres|select count(niji.pseudonym(person, $domain)) from bench_people
pgcrypto hmac(x, key, sha256)|postgres|select count(hmac(x, 'a key of thirty-two bytes........', 'sha256')) from bench_people
pgcrypto encrypt(x, key, aes)|postgres|select count(encrypt(x::bytea, 'a key of thirty-two bytes.......'::bytea, 'aes')) from bench_people
LINES
sql postgres -c 'drop table bench_people'
