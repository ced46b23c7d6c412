-- The event log: written by triggers in the transaction that changes the row, whoever writes it.

-- The day that a date or a date-time names in the kitchen's own time zone.
create function dapur.day_of(t text) returns date
    language plpgsql stable as $$
begin
	if length(t) <= 10 then
		return t::date;
	end if;
	return (t::timestamptz at time zone (select timezone from dapur.tenant where id = dapur.tenant()))::date;
end $$;

-- How a row looks to the outside: one type and one function per kind. row_to_json() of a named type is the fastest
-- JSON that PostgreSQL makes, and SQL inlines the functions, so a list costs no call.

create type dapur.menu_brief as (
	"menuName" text, "menuCode" text, "mealType" dapur.meal_type, "servingSize" int);
create type dapur.program_brief as ("name" text);

create type dapur.production_shape as (
	"id" text, "sppgId" text, "programId" text, "menuId" text, "menu" dapur.menu_brief,
	"program" dapur.program_brief, "batchNumber" text, "productionDate" date, "plannedPortions" int,
	"actualPortions" int, "headCook" text, "assistantCooks" text[], "supervisorId" text,
	"plannedStartTime" text, "plannedEndTime" text, "actualStartTime" text, "actualEndTime" text,
	"estimatedCost" numeric, "actualCost" numeric, "costPerPortion" numeric,
	"targetTemperature" numeric, "actualTemperature" numeric, "hygieneScore" int, "tasteRating" int,
	"appearanceRating" int, "textureRating" int, "status" dapur.production_status,
	"qualityPassed" bool, "rejectionReason" text, "wasteAmount" numeric, "wasteNotes" text,
	"notes" text, "photos" text[], "priority" dapur.production_priority, "version" int,
	"createdBy" text, "createdAt" text, "updatedAt" text);

create function dapur.production_json(p dapur.production, m dapur.menu, g dapur.program) returns json
    language sql stable parallel safe
    return row_to_json(row(
	p.id, p.sppg_id, p.program_id, p.menu_id,
	row(m.menu_name, m.menu_code, m.meal_type, m.serving_size)::dapur.menu_brief,
	row(g.name)::dapur.program_brief, p.batch_number, p.production_date, p.planned_portions,
	p.actual_portions, p.head_cook, p.assistant_cooks, p.supervisor_id,
	dapur.iso(p.planned_start_time), dapur.iso(p.planned_end_time),
	dapur.iso(p.actual_start_time), dapur.iso(p.actual_end_time), p.estimated_cost, p.actual_cost,
	round(coalesce(p.actual_cost, p.estimated_cost)
	    / nullif(coalesce(p.actual_portions, p.planned_portions), 0), 2),
	p.target_temperature, p.actual_temperature, p.hygiene_score, p.taste_rating,
	p.appearance_rating, p.texture_rating, p.status, p.quality_passed, p.rejection_reason,
	p.waste_amount, p.waste_notes, p.notes, p.photos, p.priority, p.version, p.created_by,
	dapur.iso(p.created_at), dapur.iso(p.updated_at))::dapur.production_shape);

create type dapur.quality_check_shape as (
	"id" text, "productionId" text, "checkType" dapur.check_type, "parameter" text,
	"expectedValue" text, "actualValue" text, "passed" bool, "score" int,
	"severity" dapur.check_severity, "notes" text, "recommendations" text, "actionRequired" bool,
	"actionTaken" text, "followUpDate" date, "checkedBy" text, "createdAt" text);

create function dapur.quality_check_json(q dapur.quality_check) returns json
    language sql stable parallel safe
    return row_to_json(row(
	q.id, q.production_id, q.check_type, q.parameter, q.expected_value, q.actual_value, q.passed,
	q.score, q.severity, q.notes, q.recommendations, q.action_required, q.action_taken,
	q.follow_up_date, q.checked_by, dapur.iso(q.created_at))::dapur.quality_check_shape);

create type dapur.program_shape as ("id" text, "name" text, "active" bool);

create function dapur.program_json(g dapur.program) returns json
    language sql stable parallel safe
    return row_to_json(row(g.id, g.name, g.active)::dapur.program_shape);

create type dapur.menu_shape as (
	"id" text, "programId" text, "menuName" text, "menuCode" text, "mealType" dapur.meal_type,
	"servingSize" int, "costPerServing" numeric, "active" bool);

create function dapur.menu_json(m dapur.menu) returns json
    language sql stable parallel safe
    return row_to_json(row(
	m.id, m.program_id, m.menu_name, m.menu_code, m.meal_type, m.serving_size, m.cost_per_serving,
	m.active)::dapur.menu_shape);

create type dapur.staff_shape as ("id" text, "name" text, "role" text, "active" bool);

-- Not of the whole row: the actions' role may not read a password's hash.
create function dapur.staff_json(id text, name text, role text, active bool) returns json
    language sql stable parallel safe
    return row_to_json(row(id, name, role, active)::dapur.staff_shape);

-- One event, rendered once as the line that every feed passes through. data_at and data_len name the
-- bytes of its "data" member in the line, so that the action answers with the same bytes.
create table dapur.event (
	sppg_id text not null,
	seq bigint not null,
	topic text not null,
	type text not null,
	object_id text not null,
	person_id text,
	at timestamptz(3) not null,
	data_at int not null,
	data_len int not null,
	line text not null,
	primary key (sppg_id, seq)
) with (toast_tuple_target = 8160);

-- A line is read as often as it is written: compressing it would only cost.
alter table dapur.event alter column line set storage external;

-- The history of one production.
create index event_object on dapur.event (object_id, seq);

-- Takes the tenant's next seq and writes its event; holds tenant_head's row until the commit.
-- more: further members of the line as ',"name":value', or ''.
--
-- Returns the seq.
--
-- Triggers call it, and they run as the owner with a search_path (0004); it needs neither again.
--
-- This function and the triggers of productions run for every write. They are plpgsql, which keeps its plans; what is no
-- statement is an assignment, which costs a tenth of a PERFORM.
create function dapur.log_event(p_sppg text, p_topic text, p_type text, p_id text, p_data text,
    p_more text) returns bigint
    language plpgsql as $$
declare
	v_at timestamptz(3) := clock_timestamp();
	v_person text := nullif(current_setting('dapur.person', true), '');
	v_seq bigint;
	v_epoch text;
	v_line text; -- up to the data
	v_set text;
begin
	update dapur.tenant_head h set seq = h.seq + 1 where h.sppg_id = p_sppg
	returning h.seq, h.epoch into strict v_seq, v_epoch;
	v_line := concat('{"type":"', p_type, '","seq":', v_seq, ',"position":"', v_epoch, '.', v_seq,
	    '","topic":"', p_topic, '","sppgId":', to_json(p_sppg), ',"', p_topic, 'Id":', to_json(p_id),
	    ',"data":');
	insert into dapur.event (sppg_id, seq, topic, type, object_id, person_id, at, data_at, data_len, line)
	values (p_sppg, v_seq, p_topic, p_type, p_id, v_person, v_at, octet_length(v_line), octet_length(p_data),
	    concat(v_line, p_data, p_more, ',"userId":', coalesce(to_json(v_person)::text, 'null'),
		',"timestamp":"', to_char(v_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '"}'));
	-- From here this transaction wrote, in this epoch: the action reads it back and publishes it.
	if coalesce(current_setting('dapur.first_seq', true), '') = '' then
		v_set := set_config('dapur.first_seq', v_seq::text, true);
		v_set := set_config('dapur.epoch', v_epoch, true);
	end if;
	-- Our actions publish themselves; a foreign writer wakes the relay.
	if coalesce(current_setting('dapur.tenant', true), '') = '' then
		perform pg_notify('dapur_wake', '');
	end if;
	return v_seq;
end $$;

-- Raises a violation that the actions answer by the constraint's name (src/db_error.def).
create function dapur.refuse(p_constraint text, p_message text) returns void
    language plpgsql as $$
begin
	raise exception using errcode = 'check_violation', constraint = p_constraint, message = p_message;
end $$;

-- Programs, menus, staff: what the forms show --------------------------------------------------

create function dapur.program_log() returns trigger
    language plpgsql security definer set search_path = dapur, pg_temp as $$
declare
	r dapur.program := case tg_op when 'DELETE' then old else new end;
begin
	perform dapur.log_event(r.sppg_id, 'program', tg_argv[0], r.id, dapur.program_json(r)::text, '');
	return null;
end $$;

create function dapur.menu_log() returns trigger
    language plpgsql security definer set search_path = dapur, pg_temp as $$
declare
	r dapur.menu := case tg_op when 'DELETE' then old else new end;
begin
	perform dapur.log_event(r.sppg_id, 'menu', tg_argv[0], r.id, dapur.menu_json(r)::text, '');
	return null;
end $$;

create function dapur.staff_log() returns trigger
    language plpgsql security definer set search_path = dapur, pg_temp as $$
declare
	r dapur.person := case tg_op when 'DELETE' then old else new end;
begin
	perform dapur.log_event(r.sppg_id, 'staff', tg_argv[0], r.id, dapur.staff_json(r.id, r.name, r.role, r.active)::text, '');
	return null;
end $$;

create trigger program_created after insert on dapur.program
    for each row execute function dapur.program_log('program_created');
create trigger program_updated after update on dapur.program
    for each row when (old.* is distinct from new.*) execute function dapur.program_log('program_updated');
create trigger program_deleted after delete on dapur.program
    for each row execute function dapur.program_log('program_deleted');

create trigger menu_created after insert on dapur.menu
    for each row execute function dapur.menu_log('menu_created');
create trigger menu_updated after update on dapur.menu
    for each row when (old.* is distinct from new.*) execute function dapur.menu_log('menu_updated');
create trigger menu_deleted after delete on dapur.menu
    for each row execute function dapur.menu_log('menu_deleted');

create trigger staff_created after insert on dapur.person
    for each row execute function dapur.staff_log('staff_created');
create trigger staff_updated after update on dapur.person
    for each row when ((old.name, old.role, old.active) is distinct from (new.name, new.role, new.active))
    execute function dapur.staff_log('staff_updated');
create trigger staff_deleted after delete on dapur.person
    for each row execute function dapur.staff_log('staff_deleted');

-- What would change a kitchen without an event ------------------------------------------------

-- A row never moves to another kitchen and keeps its id: the screens know it by both. (production_before_update() says
-- it of productions.)
create function dapur.refuse_move() returns trigger
    language plpgsql as $$
begin
	perform dapur.refuse('row_fixed', format('a %s keeps its id and its kitchen', tg_table_name));
	return null;
end $$;

create function dapur.refuse_truncate() returns trigger
    language plpgsql as $$
begin
	perform dapur.refuse('no_truncate', 'TRUNCATE leaves no events: delete the rows');
	return null;
end $$;

do $$
declare
	t text;
begin
	foreach t in array array['program', 'menu', 'person'] loop
		execute format('create trigger refuse_move before update on dapur.%I for each row'
		    ' when ((old.sppg_id, old.id) is distinct from (new.sppg_id, new.id))'
		    ' execute function dapur.refuse_move()', t);
	end loop;
	foreach t in array array['program', 'menu', 'person', 'production', 'quality_check'] loop
		execute format('create trigger refuse_truncate before truncate on dapur.%I'
		    ' execute function dapur.refuse_truncate()', t);
	end loop;
end $$;
