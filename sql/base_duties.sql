-- duties on a server that does not preload niji: the list, and what is refused
select duty from niji.duty order by duty;
select niji.has_duty('loader');
create role niji_regress_nobody;
set session authorization niji_regress_nobody;
select niji.require_duty('loader', 'read a file');
select * from niji.duty_grant;
reset session authorization;
drop role niji_regress_nobody;
