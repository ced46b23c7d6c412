-- What `dapur doctor` asks with the programs' own log-ins.

-- name: doctor_login
-- out: the log-in; t when row-level security does not bind it; t when in dapur_app, in dapur_relay; how many tables of ours it owns
select current_user,
    (select r.rolsuper or r.rolbypassrls from pg_roles r where r.rolname = current_user),
    coalesce((select pg_has_role(current_user, r.oid, 'usage') from pg_roles r where r.rolname = 'dapur_app'), false),
    coalesce((select pg_has_role(current_user, r.oid, 'usage') from pg_roles r where r.rolname = 'dapur_relay'), false),
    (select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'dapur' and pg_has_role(current_user, c.relowner, 'usage'));

-- name: doctor_tables
-- out: how many tables there are; the tenants' tables without row-level security, by commas, or NULL
select count(*), string_agg(c.relname, ', ' order by c.relname) filter (where not c.relrowsecurity and exists (
    select from pg_attribute a where a.attrelid = c.oid and a.attname = 'sppg_id'))
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'dapur' and c.relkind = 'r';

-- name: doctor_tenants
-- out: how many productions a transaction without a tenant sees
select count(*) from dapur.production;
