# Identifiers: what normalisation and digests cost, in C by themselves and through SQL, against what a user would write in SQL.
# The C part is bench/identity_micro.c; its nanoseconds are of one call, the SQL baselines' of one row over the floor of the same run.
sources=$(sed -n 's|.*micro: *\(src/.*\)|\1|p' "$NIJI_TOP/bench/identity_micro.c")
# shellcheck disable=SC2086
(cd "$NIJI_TOP" && gcc -O2 -Isrc -isystem "$("$PG_CONFIG" --includedir-server)" -o "$NIJI_SCRATCH/identity_micro" bench/identity_micro.c $sources -lcrypto -licuuc)
names=$((ROWS < 1000000 ? ROWS : 1000000))
sql postgres -v names="$names" <<'SQL' >/dev/null
-- names of 22 to 24 bytes, each another one: already normal, and as terminals and clerks write them
create table bench_names (clean text not null, dirty text not null, id text not null);
insert into bench_names
  select 'ヤマダタロ' || chr(12450 + i % 80) || chr(12450 + i / 80 % 80) || chr(12450 + i / 6400 % 80) || '|1950-01-02|1',
         'ﾔﾏﾀﾞ ' || chr(65393 + i % 44) || chr(65393 + i / 44 % 44) || chr(65393 + i / 1936 % 44) || '|S25.1.2|M', lpad(i::text, 20, '0')
    from generate_series(1, :names) i;
vacuum (freeze, analyze) bench_names;
SQL
chain="lower(translate(normalize(%s, NFKC), 'ぁあぃいぅうぇえぉおかがきぎくぐけげこごさざしじすずせぜそぞただちぢっつづてでとどなにぬねのはばぱひびぴふぶぷへべぺほぼぽまみむめもゃやゅゆょよらりるれろゎわゐゑをん', 'ァアィイゥウェエォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハバパヒビピフブプヘベペホボポマミムメモャヤュユョヨラリルレロヮワヰヱヲン'))"
# two rounds of the one beside the other, so that both meet the same machine
as_server "$NIJI_SCRATCH/identity_micro" >"$NIJI_SCRATCH/micro.1"
compare "Identifiers: $names names and numbers through SQL" <<LINES
count(name), the floor|postgres|select count(clean) from bench_names
niji.normalize_identifier, already normal|postgres|select count(niji.normalize_identifier('name_birth_sex', clean)) from bench_names
niji.normalize_identifier, dirty|postgres|select count(niji.normalize_identifier('name_birth_sex', dirty)) from bench_names
lower, translate, normalize of the name, already normal|postgres|select count($(printf "$chain" "left(clean, 8)")) from bench_names
lower, translate, normalize of the name, dirty|postgres|select count($(printf "$chain" "left(dirty, 8)")) from bench_names
left(name, 8), which these two include|postgres|select count(left(clean, 8)) from bench_names
pgcrypto hmac(number, key, sha256)|postgres|select count(hmac(id, 'a key of thirty-two bytes........', 'sha256')) from bench_names
LINES
as_server "$NIJI_SCRATCH/identity_micro" >"$NIJI_SCRATCH/micro.2"
# milliseconds of one of those lines, as nanoseconds a row over another
over() { awk "BEGIN {printf \"%.0f\", ($(median <"$NIJI_SCRATCH/times.$1") - $(median <"$NIJI_SCRATCH/times.$2")) * 1e6 / $names}"; }
chain_clean=$(over 3 5) chain_dirty=$(over 4 5) hmac=$(over 6 0)
printf '\nIdentifiers: nanoseconds a call in C, and how many times cheaper than in SQL (chain: %s already normal, %s dirty; hmac: %s)\n' "$chain_clean" "$chain_dirty" "$hmac"
paste "$NIJI_SCRATCH/micro.1" "$NIJI_SCRATCH/micro.2" | awk -F '\t' -v clean="$chain_clean" -v dirty="$chain_dirty" -v hmac="$hmac" '
  {ns = ($2 + $4) / 2; base = 0}
  /^name, already/ {base = clean}
  /^name, dirty/ {base = dirty}
  /^digest/ {base = hmac; if (first == "") first = ns; else further = (ns - first) / ++n}
  {printf "  %-52s %12.0f %8s\n", $1, ns, base ? sprintf("%.1f", base / ns) : ""}
  END {printf "  %-52s %12.0f %8.1f\n", "digest, each further generation", further, hmac / further}'
sql postgres -c 'drop table bench_names'
