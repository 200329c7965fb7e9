-- as governance: the file as it is published (CP932, quoted, no header)
\set master `base64 -w0 "$DEMO_FILES"/masters/b.txt`
select taken, changed, ended, refused from niji.load_codes('ssk-disease', '2026-06', decode(:'master', 'base64'), date '2026-06-01');
\echo '   looked up, validated, translated to ICD-10:'
select l.display, l.kana, niji.validate_code('ssk-disease', '2500015') as valid, t.target_code as icd10, t.relation, t.rank
  from niji.lookup_code('ssk-disease', '2500015') l, niji.translate_code('ssk-disease', '2500015', 'icd10') t;
