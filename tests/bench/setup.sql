-- The kitchens of the benchmark: their tier has no limit to speak of, each has 300 productions to list. Every run begins
-- from here. Everything has a number for a name, because pgbench can only count: program 1, menus 1 to 10, person 1. A
-- session for pgbench has a number for a hash, too, which the schema's CHECK would refuse.
\set ON_ERROR_STOP on
alter table dapur.session drop constraint if exists session_token_hash_check;
update dapur.tier set productions_per_month = 2000000000 where name = 'ENTERPRISE';

select exists (select from dapur.tenant where id like 'bench-%') as there \gset
\if :there
\else
insert into dapur.tenant (id, name, tier)
select 'bench-' || lpad(k::text, 2, '0'), 'Kitchen ' || k, 'ENTERPRISE' from generate_series(0, 49) k;
insert into dapur.person (sppg_id, id, email, name, role)
select t.id, '1', 'cook@' || t.id || '.test', 'Agus Wijaya', 'SPPG_KEPALA' from dapur.tenant t where t.id like 'bench-%';
insert into dapur.program (sppg_id, id, name)
select t.id, '1', 'Makan Bergizi Gratis 2026' from dapur.tenant t where t.id like 'bench-%';
insert into dapur.menu (sppg_id, id, program_id, menu_name, menu_code, meal_type, serving_size, cost_per_serving)
select t.id, n::text, '1', 'Nasi ayam kecap dan sayur ' || n, 'MN-' || n, 'LUNCH', 350, 10000 + n
from dapur.tenant t, generate_series(1, 10) n where t.id like 'bench-%';
\endif

delete from dapur.session where sppg_id like 'bench-%';
insert into dapur.session (token_hash, sppg_id, person_id, expires_at)
select (9000000 + right(t.id, 2)::int)::text, t.id, '1', now() + interval '1 day'
from dapur.tenant t where t.id like 'bench-%';

alter table dapur.production disable trigger refuse_truncate;
alter table dapur.quality_check disable trigger refuse_truncate;
truncate dapur.production, dapur.quality_check, dapur.production_month, dapur.event;
alter table dapur.production enable trigger refuse_truncate;
alter table dapur.quality_check enable trigger refuse_truncate;
update dapur.tenant_head set floor = seq;
insert into dapur.production (sppg_id, id, program_id, menu_id, production_date, planned_portions, head_cook,
    planned_start_time, planned_end_time, notes, created_by)
select t.id, 'list-' || n, '1', (1 + n % 10)::text, date '2026-06-01' + n / 10, 100 + n, '1',
    date '2026-06-01' + n / 10 + interval '1 hour', date '2026-06-01' + n / 10 + interval '5 hours',
    case when n % 4 = 0 then 'Tanpa kacang untuk kelas 2A' end, '1'
from dapur.tenant t, generate_series(1, 300) n where t.id like 'bench-%';
