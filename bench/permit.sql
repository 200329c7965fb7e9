-- a permit :permit over dataset :dataset with column :column, granted, with bench_analyst as its reader
set session authorization bench_governance;
select niji.apply_permit(:'permit', 'Bench', 'bench', 'research', current_date - 1, current_date + 30);
select niji.request_data(:'permit', :'dataset', array[:'column']);
set session authorization bench_reviewer_a;
select niji.review_permit(:'permit', 'approve', '');
set session authorization bench_reviewer_b;
select niji.review_permit(:'permit', 'approve', '');
set session authorization bench_governance;
select niji.grant_permit(:'permit');
select niji.add_reader(:'permit', 'bench_analyst');
