-- Two demo kitchens: people, a program with ten menus, and a few days of productions. Run by psql as the
-- owner; running it again changes nothing. Every password is dapur-demo.
\set ON_ERROR_STOP on
\set password '''$argon2id$v=19$m=19456,t=2,p=1$muQWg0I3IRY10yFNQX5Wtw$aiNmWycJyYUFeHeeUIWaez7nAty0ZhceM6hZZZxU6eU'''

begin;

select exists (select from dapur.tenant where id = 'sppg-melati') as there \gset
\if :there
\echo the demo is there already
rollback;
\else

insert into dapur.tenant (id, name, tier) values
    ('sppg-melati', 'SPPG Melati', 'ENTERPRISE'),
    ('sppg-kenanga', 'SPPG Kenanga', 'ENTERPRISE');

insert into dapur.person (sppg_id, id, email, name, role, password_hash)
select 'sppg-' || k.kitchen, p.who || '-' || k.kitchen, p.who || '@' || k.kitchen || '.test', p.name, p.role, :password
from (values ('melati'), ('kenanga')) k (kitchen),
    (values ('kepala', 'Siti Rahayu', 'SPPG_KEPALA'),
	('admin', 'Budi Santoso', 'SPPG_ADMIN'),
	('produksi', 'Dewi Lestari', 'SPPG_PRODUKSI_MANAGER'),
	('dapur', 'Agus Wijaya', 'SPPG_STAFF_DAPUR'),
	('qc', 'Rina Kusuma', 'SPPG_STAFF_QC'),
	('gizi', 'Nur Aini', 'SPPG_AHLI_GIZI'),
	('akuntan', 'Hendra Gunawan', 'SPPG_AKUNTAN'),
	('viewer', 'Tamu Dinas', 'SPPG_VIEWER')) p (who, name, role);

insert into dapur.program (sppg_id, id, name)
select 'sppg-' || kitchen, 'program-' || kitchen, 'Makan Bergizi Gratis 2026'
from (values ('melati'), ('kenanga')) k (kitchen);

insert into dapur.menu (sppg_id, id, program_id, menu_name, menu_code, meal_type, serving_size, cost_per_serving)
select 'sppg-' || k.kitchen, 'menu-' || k.kitchen || '-' || m.n, 'program-' || k.kitchen, m.name,
    'MN-' || lpad(m.n::text, 3, '0'), m.meal::dapur.meal_type, m.grams, m.cost
from (values ('melati'), ('kenanga')) k (kitchen),
    (values (1, 'Nasi ayam kecap dan sayur bayam', 'LUNCH', 350, 12500),
	(2, 'Nasi ikan tongkol balado', 'LUNCH', 350, 12000),
	(3, 'Nasi telur dadar dan tumis buncis', 'LUNCH', 330, 10500),
	(4, 'Soto ayam dan nasi', 'LUNCH', 400, 13000),
	(5, 'Nasi rendang daging dan daun singkong', 'LUNCH', 350, 15000),
	(6, 'Gado-gado dan lontong', 'LUNCH', 380, 11000),
	(7, 'Bubur kacang hijau', 'SNACK', 200, 5000),
	(8, 'Nasi uduk dan tempe orek', 'BREAKFAST', 300, 9000),
	(9, 'Susu dan roti gandum', 'SNACK', 250, 6500),
	(10, 'Nasi tim ayam dan wortel', 'LUNCH', 320, 11500)) m (n, name, meal, grams, cost);

-- Yesterday's and earlier batches are finished history; today's stand where a morning leaves them.
insert into dapur.production (sppg_id, program_id, menu_id, production_date, planned_portions, head_cook,
    assistant_cooks, supervisor_id, planned_start_time, planned_end_time, target_temperature, priority, notes,
    created_by)
select 'sppg-' || k.kitchen, 'program-' || k.kitchen, 'menu-' || k.kitchen || '-' || (1 + (d.ago * 2 + b.n) % 10),
    today.day - d.ago, 400 + 150 * b.n, 'dapur-' || k.kitchen, array['produksi-' || k.kitchen],
    'produksi-' || k.kitchen, (today.day - d.ago + time '04:00' + b.n * interval '90 minutes') at time zone 'Asia/Jakarta',
    (today.day - d.ago + time '07:00' + b.n * interval '90 minutes') at time zone 'Asia/Jakarta', 75,
    case when b.n = 1 then 'HIGH' else 'NORMAL' end::dapur.production_priority,
    case when b.n = 2 then 'Tanpa kacang untuk kelas 2A' end, 'produksi-' || k.kitchen
from (values ('melati'), ('kenanga')) k (kitchen), generate_series(0, 3) d (ago), generate_series(0, 3) b (n),
    (select (now() at time zone 'Asia/Jakarta')::date as day) today
order by d.ago desc, b.n;

create temp view moving as
select p.sppg_id, p.id, p.planned_portions, replace(p.sppg_id, 'sppg-', '') as kitchen,
    p.production_date < (now() at time zone 'Asia/Jakarta')::date as past,
    extract(hour from p.planned_start_time at time zone 'Asia/Jakarta')::int as hour
from dapur.production p where p.sppg_id in ('sppg-melati', 'sppg-kenanga');

update dapur.production p set status = 'PREPARING' from moving m
where m.sppg_id = p.sppg_id and m.id = p.id and (m.past or m.hour < 8);
update dapur.production p set status = 'COOKING' from moving m
where m.sppg_id = p.sppg_id and m.id = p.id and (m.past or m.hour < 7);
insert into dapur.quality_check (sppg_id, production_id, check_type, parameter, expected_value, actual_value,
    passed, score, checked_by)
select m.sppg_id, m.id, 'TEMPERATURE', 'Suhu inti', '75 C', '78 C', true, 92, 'qc-' || m.kitchen
from moving m where m.past or m.hour < 5;
update dapur.production p set status = 'QUALITY_CHECK' from moving m
where m.sppg_id = p.sppg_id and m.id = p.id and (m.past or m.hour < 5);
update dapur.production p set status = 'COMPLETED', actual_portions = m.planned_portions - 5, hygiene_score = 90,
    taste_rating = 4, appearance_rating = 4, texture_rating = 4, waste_amount = 2.5,
    actual_cost = p.estimated_cost * 0.98
from moving m where m.sppg_id = p.sppg_id and m.id = p.id and m.past;

drop view moving;
commit;
\endif
