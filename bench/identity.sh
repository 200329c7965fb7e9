# Identifiers: what normalisation and digests cost, in C by themselves and through SQL, against what a user would write in SQL.
# The C part is bench/identity_micro.c: what enrolment calls, without the server around it. All is processor time, in interleaved rounds.
sources=$(sed -n 's|.*micro: *\(src/.*\)|\1|p' "$NIJI_TOP/bench/identity_micro.c")
# shellcheck disable=SC2086
(cd "$NIJI_TOP" && gcc -O2 -Isrc -isystem "$("$PG_CONFIG" --includedir-server)" -o "$NIJI_SCRATCH/identity_micro" bench/identity_micro.c $sources -lcrypto -licuuc)
names=$((ROWS < 1000000 ? ROWS : 1000000))
sql postgres -v names="$names" <<'SQL' >/dev/null
-- names of 22 to 24 bytes: already normal, and as terminals and clerks write them
create table bench_names (clean text not null, dirty text not null, id text not null);
insert into bench_names
  select 'ヤマダタロ' || chr(12521 + i % 5) || chr(12521 + i / 5 % 5) || chr(12521 + i / 25 % 5) || '|1950-01-02|1',
         'ﾔﾏﾀﾞ ' || chr(65393 + i % 44) || chr(65393 + i / 44 % 44) || chr(65393 + i / 1936 % 44) || '|S25.1.2|M', lpad(i::text, 20, '0')
    from generate_series(1, :names) i;
vacuum (freeze, analyze) bench_names;
SQL
chain="lower(translate(normalize(%s, NFKC), 'ぁあぃいぅうぇえぉおかがきぎくぐけげこごさざしじすずせぜそぞただちぢっつづてでとどなにぬねのはばぱひびぴふぶぷへべぺほぼぽまみむめもゃやゅゆょよらりるれろゎわゐゑをん', 'ァアィイゥウェエォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハバパヒビピフブプヘベペホボポマミムメモャヤュユョヨラリルレロヮワヰヱヲン'))"
# processor time of one statement in nanoseconds a row: what other work on the machine does not change, as in C
processor() {
  as_server psql -X -q -t -A -v ON_ERROR_STOP=1 -U postgres -d niji <<SQL2 | awk -v tick="$(getconf CLK_TCK)" -v rows="$names" '/^[0-9]+$/ {t[n++] = $1} END {printf "%.0f\n", (t[1] - t[0]) / tick * 1e9 / rows}'
select pg_backend_pid() as pid \gset
\setenv BACKEND :pid
\o /dev/null
$1;
\! awk '{print \$14 + \$15}' /proc/\$BACKEND/stat
$1;
\! awk '{print \$14 + \$15}' /proc/\$BACKEND/stat
SQL2
}
cases=("count(name), the floor|select count(clean) from bench_names"
  "niji.normalize_identifier, already normal|select count(niji.normalize_identifier('name_birth_sex', clean)) from bench_names"
  "niji.normalize_identifier, dirty|select count(niji.normalize_identifier('name_birth_sex', dirty)) from bench_names"
  "left(name, 8)|select count(left(clean, 8)) from bench_names"
  "lower(translate(normalize(left(name, 8)))), already normal|select count($(printf "$chain" "left(clean, 8)")) from bench_names"
  "lower(translate(normalize(left(name, 8)))), dirty|select count($(printf "$chain" "left(dirty, 8)")) from bench_names"
  "pgcrypto hmac(number, key, sha256)|select count(hmac(id, 'a key of thirty-two bytes........', 'sha256')) from bench_names")
for ((round = 0; round < ROUNDS; round++)); do
  for i in "${!cases[@]}"; do processor "${cases[i]#*|}" >>"$NIJI_SCRATCH/processor.$i"; done
  as_server "$NIJI_SCRATCH/identity_micro" >"$NIJI_SCRATCH/micro.$round"
done
printf '\nIdentifiers through SQL: %s rows, nanoseconds of processor time a row\n' "$names"
for i in "${!cases[@]}"; do printf '  %-60s %8.0f\n' "${cases[i]%%|*}" "$(median <"$NIJI_SCRATCH/processor.$i")"; done
over() { echo $(($(median <"$NIJI_SCRATCH/processor.$1" | cut -d. -f1) - $(median <"$NIJI_SCRATCH/processor.$2" | cut -d. -f1))); }
chain_clean=$(over 4 3) chain_dirty=$(over 5 3) hmac=$(over 6 0)
printf '\nIdentifiers in C: nanoseconds of processor time a call, and how many times cheaper than in SQL\n(the chain over its floor: %s already normal, %s dirty; hmac: %s)\n' "$chain_clean" "$chain_dirty" "$hmac"
cut -f1 "$NIJI_SCRATCH/micro.0" >"$NIJI_SCRATCH/micro.names"
for i in $(seq "$(wc -l <"$NIJI_SCRATCH/micro.names")"); do
  for file in "$NIJI_SCRATCH"/micro.[0-9]*; do sed -n "${i}p" "$file" | cut -f2; done | median
done >"$NIJI_SCRATCH/micro.times"
paste "$NIJI_SCRATCH/micro.names" "$NIJI_SCRATCH/micro.times" | awk -F '\t' -v clean="$chain_clean" -v dirty="$chain_dirty" -v hmac="$hmac" '
  {ns = $2; base = 0}
  /^name, already/ {base = clean}
  /^name, dirty/ {base = dirty}
  /^digest/ {base = hmac; if (first == "") first = ns; else further = (ns - first) / ++n}
  {printf "  %-52s %12.0f %8s\n", $1, ns, base ? sprintf("%.1f", base / ns) : ""}
  END {printf "  %-52s %12.0f %8.1f\n", "digest, each further generation", further, hmac / further}'
sql postgres -c 'drop table bench_names'
