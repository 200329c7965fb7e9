-- what all benchmarks share: roles, an applicant, rules
create extension niji;
create extension if not exists pgcrypto;
create role bench_governance login;
create role bench_reviewer_a login;
create role bench_reviewer_b login;
create role bench_analyst login;
create role bench_plain login;
select niji.grant_duty('governance', 'bench_governance');
select niji.grant_duty('reviewer', 'bench_reviewer_a');
select niji.grant_duty('reviewer', 'bench_reviewer_b');
select niji.register_holder('bench', 'Bench', 'government');
select niji.register_applicant('bench', 'Bench', 'medical_institution');
select niji.set_rule('claims', 'research', 'opt_out');
select niji.set_rule('ehr', 'research', 'not_required');
