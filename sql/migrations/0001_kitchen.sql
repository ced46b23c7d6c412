-- The schema of one database with many kitchens.
--
-- Every row of a kitchen carries sppg_id, and every key that one row holds on another is composite, so
-- that a row can only point inside its own tenant. The actions' role (dapur_app) owns nothing
-- and sees, by row-level security, only the tenant of its transaction: the setting dapur.tenant, which
-- dapur.enter() sets from a session. Rules that hold for every writer are triggers and CHECKs here; a
-- violation is named by its constraint, which src/db_error.def maps to an error of the contract.

create schema dapur;

do $$
begin
	if not exists (select from pg_roles where rolname = 'dapur_app') then
		create role dapur_app nologin;
	end if;
	if not exists (select from pg_roles where rolname = 'dapur_relay') then
		-- With Redis away each stream asks by a helper of its own: they must leave the actions their connections.
		create role dapur_relay nologin connection limit 40;
	end if;
end $$;

grant usage on schema dapur to dapur_app, dapur_relay;

-- Types ----------------------------------------------------------------------------------------

-- (A counted repetition such as {1,64} would make the regular expression thirty times as slow.)
create domain dapur.id as text check (octet_length(value) between 1 and 64 and value !~ '[[:cntrl:]]');

create type dapur.tenant_status as enum ('ACTIVE', 'SUSPENDED');
create type dapur.production_status as enum
    ('PLANNED', 'PREPARING', 'COOKING', 'QUALITY_CHECK', 'COMPLETED', 'CANCELLED');
create type dapur.production_priority as enum ('LOW', 'NORMAL', 'HIGH', 'URGENT', 'CRITICAL');
create type dapur.check_type as enum ('HYGIENE', 'TEMPERATURE', 'TASTE', 'APPEARANCE', 'SAFETY');
create type dapur.check_severity as enum ('LOW', 'MEDIUM', 'HIGH', 'CRITICAL');
create type dapur.meal_type as enum ('BREAKFAST', 'SNACK', 'LUNCH', 'DINNER');

-- Who is asking, set for the length of one transaction ------------------------------------------

create function dapur.tenant() returns text
    language sql stable parallel safe
    return nullif(current_setting('dapur.tenant', true), '');

create function dapur.person_id() returns text
    language sql stable parallel safe
    return nullif(current_setting('dapur.person', true), '');

create function dapur.iso(t timestamptz) returns text
    language sql stable parallel safe
    return to_char(t at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

-- Tenants, tiers, heads -------------------------------------------------------------------------

create table dapur.tier (
	name text primary key,
	productions_per_month int not null check (productions_per_month > 0)
);

insert into dapur.tier values
    ('TRIAL', 20), ('BASIC', 100), ('STANDARD', 250), ('PRO', 500), ('ENTERPRISE', 2000);

create table dapur.tenant (
	id dapur.id primary key,
	name text not null check (length(name) between 1 and 200),
	status dapur.tenant_status not null default 'ACTIVE',
	tier text not null default 'STANDARD' references dapur.tier,
	timezone text not null default 'Asia/Jakarta'
	    check (timestamp '2000-01-01' at time zone timezone is not null), -- fails for a name that nobody knows
	created_at timestamptz(3) not null default now()
);

-- Names the present history of this database; a restore begins a new one (`dapur epoch --new`).
create table dapur.epoch (
	one bool primary key default true check (one),
	epoch text not null check (epoch ~ '^[a-z0-9]{4,16}$')
);

insert into dapur.epoch (epoch) values (substr(md5(gen_random_uuid()::text), 1, 8));

-- One row per tenant: the seq of its last event. Whoever logs an event holds this row until it commits:
-- that is what makes seq dense and equal to the commit order. Mostly empty pages keep updates HOT, and kitchens apart.
create table dapur.tenant_head (
	sppg_id text primary key references dapur.tenant,
	epoch text not null,
	seq bigint not null default 0,
	floor bigint not null default 0, -- events up to here are pruned or of an earlier epoch
	check (floor <= seq)
) with (fillfactor = 10);

create function dapur.tenant_after_insert() returns trigger
    language plpgsql security definer set search_path = dapur, pg_temp as $$
begin
	insert into dapur.tenant_head (sppg_id, epoch) select new.id, e.epoch from dapur.epoch e;
	return null;
end $$;

create trigger tenant_after_insert after insert on dapur.tenant
    for each row execute function dapur.tenant_after_insert();

-- People, roles, sessions -----------------------------------------------------------------------

create table dapur.role (
	name text primary key
);

create table dapur.role_permission (
	role text not null references dapur.role,
	permission text not null check (permission in ('READ', 'WRITE', 'MENU_MANAGE',
	    'PROCUREMENT_MANAGE', 'PRODUCTION_MANAGE', 'QUALITY_MANAGE', 'USER_MANAGE')),
	primary key (role, permission)
);

insert into dapur.role values ('SPPG_KEPALA'), ('SPPG_ADMIN'), ('SPPG_AHLI_GIZI'),
    ('SPPG_PRODUKSI_MANAGER'), ('SPPG_STAFF_DAPUR'), ('SPPG_STAFF_QC'), ('SPPG_AKUNTAN'),
    ('SPPG_VIEWER'), ('DEMO_USER');

insert into dapur.role_permission
select role, unnest(string_to_array(permissions, ' ')) from (values
    ('SPPG_KEPALA', 'READ WRITE MENU_MANAGE PROCUREMENT_MANAGE PRODUCTION_MANAGE QUALITY_MANAGE USER_MANAGE'),
    ('SPPG_ADMIN', 'READ WRITE MENU_MANAGE PROCUREMENT_MANAGE PRODUCTION_MANAGE USER_MANAGE'),
    ('SPPG_AHLI_GIZI', 'READ MENU_MANAGE QUALITY_MANAGE'),
    ('SPPG_PRODUKSI_MANAGER', 'READ PRODUCTION_MANAGE QUALITY_MANAGE'),
    ('SPPG_STAFF_DAPUR', 'READ PRODUCTION_MANAGE'),
    ('SPPG_STAFF_QC', 'READ QUALITY_MANAGE'),
    ('SPPG_AKUNTAN', 'READ PROCUREMENT_MANAGE'),
    ('SPPG_VIEWER', 'READ'),
    ('DEMO_USER', 'READ')) as t (role, permissions);

create table dapur.person (
	sppg_id text not null references dapur.tenant,
	id dapur.id not null default gen_random_uuid()::text,
	email text not null check (email = lower(email) and length(email) between 3 and 254),
	name text not null check (name ~ '^[^[:cntrl:]]+$' and octet_length(name) <= 120),
	role text not null references dapur.role,
	password_hash text, -- argon2id ($argon2id$...), or bcrypt ($2...) of an imported user until its next log-in
	active bool not null default true,
	created_at timestamptz(3) not null default now(),
	primary key (sppg_id, id)
);

create unique index person_email on dapur.person (email);

create table dapur.session (
	token_hash text primary key check (token_hash ~ '^[0-9a-f]{64}$'),
	sppg_id text not null,
	person_id text not null,
	created_at timestamptz(3) not null default now(),
	expires_at timestamptz(3) not null,
	address text,
	user_agent text,
	foreign key (sppg_id, person_id) references dapur.person (sppg_id, id) on delete cascade
);

create index session_person on dapur.session (sppg_id, person_id, created_at);

-- Tries to log in within a window of 15 minutes, by account and by address.
create table dapur.login_try (
	what text primary key,
	since timestamptz not null,
	n int not null
);

-- Programs and menus ----------------------------------------------------------------------------

create table dapur.program (
	sppg_id text not null references dapur.tenant,
	id dapur.id not null default gen_random_uuid()::text,
	name text not null check (length(name) between 1 and 200),
	active bool not null default true,
	created_at timestamptz(3) not null default now(),
	primary key (sppg_id, id)
);

create table dapur.menu (
	sppg_id text not null,
	id dapur.id not null default gen_random_uuid()::text,
	program_id text not null,
	menu_name text not null check (length(menu_name) between 1 and 200),
	menu_code text not null check (length(menu_code) between 1 and 50),
	meal_type dapur.meal_type not null default 'LUNCH',
	serving_size int not null default 1 check (serving_size > 0), -- grams
	cost_per_serving numeric(15,2) not null default 0 check (cost_per_serving >= 0),
	active bool not null default true,
	created_at timestamptz(3) not null default now(),
	primary key (sppg_id, id),
	unique (sppg_id, menu_code),
	foreign key (sppg_id, program_id) references dapur.program (sppg_id, id)
);

-- Productions -----------------------------------------------------------------------------------

-- The ranges of the values stand in production_fault().
create table dapur.production (
	sppg_id text not null,
	id dapur.id not null default gen_random_uuid()::text,
	program_id text not null,
	menu_id text not null,
	batch_number text not null,
	production_date date not null,
	planned_portions int not null,
	actual_portions int,
	head_cook text not null,
	assistant_cooks text[] not null default '{}',
	supervisor_id text,
	planned_start_time timestamptz(3) not null,
	planned_end_time timestamptz(3) not null,
	actual_start_time timestamptz(3),
	actual_end_time timestamptz(3),
	estimated_cost numeric(15,2) not null,
	actual_cost numeric(15,2),
	target_temperature numeric(5,2),
	actual_temperature numeric(5,2),
	hygiene_score int,
	taste_rating int,
	appearance_rating int,
	texture_rating int,
	status dapur.production_status not null default 'PLANNED',
	quality_passed bool,
	rejection_reason text,
	waste_amount numeric(10,2), -- kg
	waste_notes text,
	notes text,
	photos text[] not null default '{}', -- URLs: a picture itself would swell every event
	priority dapur.production_priority not null default 'NORMAL',
	version int not null default 1,
	created_by text default dapur.person_id(),
	created_at timestamptz(3) not null default now(),
	updated_at timestamptz(3) not null default now(),
	primary key (sppg_id, id),
	constraint production_batch unique (sppg_id, batch_number),
	constraint production_program foreign key (sppg_id, program_id) references dapur.program (sppg_id, id),
	constraint production_menu foreign key (sppg_id, menu_id) references dapur.menu (sppg_id, id),
	constraint production_head_cook foreign key (sppg_id, head_cook) references dapur.person (sppg_id, id),
	constraint production_supervisor foreign key (sppg_id, supervisor_id) references dapur.person (sppg_id, id),
	constraint production_created_by foreign key (sppg_id, created_by) references dapur.person (sppg_id, id)
) with (fillfactor = 80);

-- The first rule that the values of a production break, or null; a null value breaks none. The triggers of productions
-- ask it for every write. As CHECKs of the table the same rules were a fifth of a create's instructions: PostgreSQL
-- parses and plans each CHECK anew in every statement.
create function dapur.production_fault(p dapur.production) returns text
    language plpgsql stable as $$
begin
	return case
	    when length(p.batch_number) not between 1 and 50 or p.batch_number ~ '[[:cntrl:]]'
		then 'production_batch_number_check'
	    when p.production_date not between '2000-01-01' and '2199-12-31' then 'production_production_date_check'
	    when p.planned_portions not between 1 and 100000 then 'production_planned_portions_check'
	    when p.actual_portions not between 0 and 100000 then 'production_actual_portions_check'
	    when cardinality(p.assistant_cooks) > 50 or octet_length(p.assistant_cooks::text) > 7000
		then 'production_assistant_cooks_check'
	    when p.planned_start_time >= p.planned_end_time then 'production_times'
	    when p.estimated_cost < 0 then 'production_estimated_cost_check'
	    when p.actual_cost < 0 then 'production_actual_cost_check'
	    when p.hygiene_score not between 1 and 100 then 'production_hygiene_score_check'
	    when p.taste_rating not between 1 and 5 then 'production_taste_rating_check'
	    when p.appearance_rating not between 1 and 5 then 'production_appearance_rating_check'
	    when p.texture_rating not between 1 and 5 then 'production_texture_rating_check'
	    when length(p.rejection_reason) not between 1 and 1000 then 'production_rejection_reason_check'
	    when p.waste_amount < 0 then 'production_waste_amount_check'
	    when length(p.waste_notes) > 1000 then 'production_waste_notes_check'
	    when length(p.notes) > 2000 then 'production_notes_check'
	    when cardinality(p.photos) > 20 or octet_length(p.photos::text) > 12000 then 'production_photos_check'
	    end;
end $$;

-- The order of every list: newest day first. No column of it changes when a production moves on.
create index production_by_day on dapur.production (sppg_id, production_date desc, created_at desc, id);

create table dapur.production_transition (
	from_status dapur.production_status not null,
	to_status dapur.production_status not null,
	primary key (from_status, to_status)
);

insert into dapur.production_transition values
    ('PLANNED', 'PREPARING'), ('PREPARING', 'COOKING'), ('COOKING', 'QUALITY_CHECK'),
    ('QUALITY_CHECK', 'COMPLETED'), ('PLANNED', 'CANCELLED'), ('PREPARING', 'CANCELLED'),
    ('COOKING', 'CANCELLED'), ('QUALITY_CHECK', 'CANCELLED');

-- What a tenant has in one month: `kept` productions now (the tier's limit) and, per day of the month,
-- how many batch numbers were given out. One row, one update: neither can race.
create table dapur.production_month (
	sppg_id text not null,
	month date not null,
	kept int not null,
	batches int[] not null,
	primary key (sppg_id, month)
) with (fillfactor = 20);

create table dapur.quality_check (
	sppg_id text not null,
	id dapur.id not null default gen_random_uuid()::text,
	n bigint generated always as identity, -- order of checks
	production_id text not null,
	check_type dapur.check_type not null,
	parameter text not null check (length(parameter) between 1 and 200),
	expected_value text check (length(expected_value) <= 200),
	actual_value text not null check (length(actual_value) between 1 and 200),
	passed bool not null,
	score int check (score between 1 and 100),
	severity dapur.check_severity,
	notes text check (length(notes) <= 2000),
	recommendations text check (length(recommendations) <= 2000),
	action_required bool not null default false,
	action_taken text check (length(action_taken) <= 2000),
	follow_up_date date,
	checked_by text default dapur.person_id(),
	created_at timestamptz(3) not null default now(),
	primary key (sppg_id, id),
	constraint quality_check_production foreign key (sppg_id, production_id)
	    references dapur.production (sppg_id, id) on delete cascade,
	foreign key (sppg_id, checked_by) references dapur.person (sppg_id, id)
);

create index quality_check_of on dapur.quality_check (sppg_id, production_id, check_type, n desc);
