-- as a superuser: an ordinary change to a dataset (mode keys), and a small table whose values are kept (mode rows);
-- the loads above were recorded in mode statement
update warehouse.cancer_registry set stage = 'II' where ctid = (select min(ctid) from warehouse.cancer_registry);
create table warehouse.agreement (holder text primary key, valid_until date);
select niji.audit_changes('warehouse.agreement', 'rows') \g /dev/null
insert into warehouse.agreement values ('niji-hospital', '2027-03-31');
update warehouse.agreement set valid_until = '2028-03-31';
\echo '   a registered table was updated, and a table that is audited with its values'
