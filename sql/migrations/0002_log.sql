-- The event log: written by triggers in the transaction that changes the row, whoever writes it.

-- The day that a date or a date-time names in the kitchen's own time zone.
create function dapur.day_of(t text) returns date
    language sql stable
    return case when length(t) <= 10 then t::date
	else (t::timestamptz at time zone (select timezone from dapur.tenant where id = dapur.tenant()))::date end;

-- How a row looks to the outside. One function per kind; SQL inlines them, so a list costs no call.

create function dapur.production_json(p dapur.production, m dapur.menu, g dapur.program) returns json
    language sql stable parallel safe
    return json_build_object(
	'id', p.id, 'sppgId', p.sppg_id, 'programId', p.program_id, 'menuId', p.menu_id,
	'menu', json_build_object('menuName', m.menu_name, 'menuCode', m.menu_code,
	    'mealType', m.meal_type, 'servingSize', m.serving_size),
	'program', json_build_object('name', g.name),
	'batchNumber', p.batch_number, 'productionDate', p.production_date,
	'plannedPortions', p.planned_portions, 'actualPortions', p.actual_portions,
	'headCook', p.head_cook, 'assistantCooks', p.assistant_cooks, 'supervisorId', p.supervisor_id,
	'plannedStartTime', dapur.iso(p.planned_start_time),
	'plannedEndTime', dapur.iso(p.planned_end_time),
	'actualStartTime', dapur.iso(p.actual_start_time),
	'actualEndTime', dapur.iso(p.actual_end_time),
	'estimatedCost', p.estimated_cost, 'actualCost', p.actual_cost,
	'costPerPortion', round(coalesce(p.actual_cost, p.estimated_cost)
	    / nullif(coalesce(p.actual_portions, p.planned_portions), 0), 2),
	'targetTemperature', p.target_temperature, 'actualTemperature', p.actual_temperature,
	'hygieneScore', p.hygiene_score, 'tasteRating', p.taste_rating,
	'appearanceRating', p.appearance_rating, 'textureRating', p.texture_rating,
	'status', p.status, 'qualityPassed', p.quality_passed, 'rejectionReason', p.rejection_reason,
	'wasteAmount', p.waste_amount, 'wasteNotes', p.waste_notes, 'notes', p.notes,
	'photos', p.photos, 'priority', p.priority, 'version', p.version, 'createdBy', p.created_by,
	'createdAt', dapur.iso(p.created_at), 'updatedAt', dapur.iso(p.updated_at));

create function dapur.quality_check_json(q dapur.quality_check) returns json
    language sql stable parallel safe
    return json_build_object(
	'id', q.id, 'productionId', q.production_id, 'checkType', q.check_type,
	'parameter', q.parameter, 'expectedValue', q.expected_value, 'actualValue', q.actual_value,
	'passed', q.passed, 'score', q.score, 'severity', q.severity, 'notes', q.notes,
	'recommendations', q.recommendations, 'actionRequired', q.action_required,
	'actionTaken', q.action_taken, 'followUpDate', q.follow_up_date,
	'checkedBy', q.checked_by, 'createdAt', dapur.iso(q.created_at));

create function dapur.program_json(g dapur.program) returns json
    language sql stable parallel safe
    return json_build_object('id', g.id, 'name', g.name, 'active', g.active);

create function dapur.menu_json(m dapur.menu) returns json
    language sql stable parallel safe
    return json_build_object(
	'id', m.id, 'programId', m.program_id, 'menuName', m.menu_name, 'menuCode', m.menu_code,
	'mealType', m.meal_type, 'servingSize', m.serving_size, 'costPerServing', m.cost_per_serving,
	'active', m.active);

-- Not of the whole row: the actions' role may not read a password's hash.
create function dapur.staff_json(id text, name text, role text, active bool) returns json
    language sql stable parallel safe
    return json_build_object('id', id, 'name', name, 'role', role, 'active', active);

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

-- Takes the tenant's next seq and writes its event. Holds tenant_head's row until the commit.
-- more: further members of the line as ',"name":value', or ''.
create function dapur.log_event(p_sppg text, p_topic text, p_type text, p_id text, p_data text,
    p_more text) returns void
    language plpgsql security definer set search_path = dapur, pg_temp as $$
declare
	v_head dapur.tenant_head;
	v_at timestamptz(3) := clock_timestamp();
	v_person text := nullif(current_setting('dapur.person', true), '');
	v_begin text;
begin
	update dapur.tenant_head set seq = seq + 1 where sppg_id = p_sppg returning * into strict v_head;
	v_begin := concat('{"type":"', p_type, '","seq":', v_head.seq, ',"position":"', v_head.epoch, '.',
	    v_head.seq, '","topic":"', p_topic, '","sppgId":', to_json(p_sppg), ',"', p_topic, 'Id":',
	    to_json(p_id), ',"data":');
	insert into dapur.event (sppg_id, seq, topic, type, object_id, person_id, at, data_at, data_len, line)
	values (p_sppg, v_head.seq, p_topic, p_type, p_id, v_person, v_at, octet_length(v_begin),
	    octet_length(p_data), concat(v_begin, p_data, p_more, ',"userId":',
		coalesce(to_json(v_person)::text, 'null'), ',"timestamp":"',
		to_char(v_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), '"}'));
	-- The first seq of this transaction: the action reads back what it wrote and publishes it.
	if coalesce(current_setting('dapur.first_seq', true), '') = '' then
		perform set_config('dapur.first_seq', v_head.seq::text, true);
	end if;
	-- Our actions publish themselves; a foreign writer wakes the relay.
	if coalesce(current_setting('dapur.tenant', true), '') = '' then
		perform pg_notify('dapur_wake', '');
	end if;
end $$;

-- Productions -----------------------------------------------------------------------------------

-- Raises a violation that the actions answer by the constraint's name (src/db_error.def).
create function dapur.refuse(p_constraint text, p_message text) returns void
    language plpgsql as $$
begin
	raise exception using errcode = 'check_violation', constraint = p_constraint, message = p_message;
end $$;

-- Counts n productions more (or, negative, fewer) in a day's month. Returns what the month then keeps and the day's last batch number.
create function dapur.production_count(p_sppg text, p_day date, p_n int, p_batch int,
    out kept int, out batch int)
    language sql as $$
	insert into dapur.production_month as c (sppg_id, month, kept, batches)
	values (p_sppg, date_trunc('month', p_day)::date, p_n,
	    array_fill(0, array[extract(day from p_day)::int - 1]) || p_batch
		|| array_fill(0, array[31 - extract(day from p_day)::int]))
	on conflict (sppg_id, month) do update set kept = c.kept + p_n,
	    batches[extract(day from p_day)::int] = c.batches[extract(day from p_day)::int] + p_batch
	returning c.kept, c.batches[extract(day from p_day)::int]
$$;

create function dapur.production_check_people(p dapur.production) returns void
    language plpgsql as $$
begin
	if not exists (select from dapur.person s where s.sppg_id = p.sppg_id and s.id = p.head_cook
	    and s.active) then
		perform dapur.refuse('production_head_cook', 'the head cook is not active staff of this kitchen');
	end if;
	if p.supervisor_id is not null and not exists (select from dapur.person s
	    where s.sppg_id = p.sppg_id and s.id = p.supervisor_id and s.active) then
		perform dapur.refuse('production_supervisor', 'the supervisor is not active staff of this kitchen');
	end if;
	if p.assistant_cooks <> '{}' and exists (select from unnest(p.assistant_cooks) a (id)
	    where not exists (select from dapur.person s where s.sppg_id = p.sppg_id and s.id = a.id
		and s.active)) then
		perform dapur.refuse('production_assistant_cooks',
		    'an assistant cook is not active staff of this kitchen');
	end if;
end $$;

create function dapur.production_before_insert() returns trigger
    language plpgsql security definer set search_path = dapur, pg_temp as $$
declare
	r record;
begin
	select t.status, l.productions_per_month, m.active as menu_active, g.active as program_active,
	    m.cost_per_serving
	into r
	from dapur.tenant t join dapur.tier l on l.name = t.tier
	    left join dapur.menu m on m.sppg_id = t.id and m.id = new.menu_id
	    left join dapur.program g on g.sppg_id = t.id and g.id = new.program_id
	where t.id = new.sppg_id;
	if r.status is distinct from 'ACTIVE' then
		perform dapur.refuse('tenant_active', 'the kitchen is suspended');
	end if;
	if r.menu_active is not true then
		perform dapur.refuse('production_menu', 'the menu is not an active one of this kitchen');
	end if;
	if r.program_active is not true then
		perform dapur.refuse('production_program', 'the program is not an active one of this kitchen');
	end if;
	perform dapur.production_check_people(new);
	if new.status <> 'PLANNED' and coalesce(current_setting('dapur.tenant', true), '') <> '' then
		perform dapur.refuse('production_transition', 'a production begins as PLANNED');
	end if;
	new.estimated_cost := coalesce(new.estimated_cost, r.cost_per_serving * new.planned_portions);
	declare
		c record;
		v_counted bool := false;
	begin
		c := dapur.production_count(new.sppg_id, new.production_date, 1,
		    case when new.batch_number is null then 1 else 0 end);
		if c.kept > r.productions_per_month then
			perform dapur.refuse('tier_limit', format('the kitchen''s tier allows %s productions a month',
			    r.productions_per_month));
		end if;
		-- A number that somebody gave by hand is stepped over.
		while new.batch_number is null or (v_counted and exists (select from dapur.production p
		    where p.sppg_id = new.sppg_id and p.batch_number = new.batch_number)) loop
			if v_counted then
				c := dapur.production_count(new.sppg_id, new.production_date, 0, 1);
			end if;
			v_counted := true;
			new.batch_number := concat('BATCH-', to_char(new.production_date, 'YYYYMMDD'), '-',
			    lpad(c.batch::text, greatest(4, length(c.batch::text)), '0'));
		end loop;
	end;
	return new;
end $$;

create trigger production_before_insert before insert on dapur.production
    for each row execute function dapur.production_before_insert();

-- What may change in which status, and what each status needs.
create function dapur.production_before_update() returns trigger
    language plpgsql security definer set search_path = dapur, pg_temp as $$
declare
	plan_changed bool;
	actual_changed bool;
begin
	-- quality_passed alone moves when a check is added: that trigger did the asking.
	if new.quality_passed is distinct from old.quality_passed and pg_trigger_depth() > 1 then
		new.version := old.version + 1;
		new.updated_at := clock_timestamp();
		return new;
	end if;
	if (new.sppg_id, new.id, new.created_at, new.created_by, new.quality_passed)
	    is distinct from (old.sppg_id, old.id, old.created_at, old.created_by, old.quality_passed) then
		perform dapur.refuse('production_fixed', 'these members of a production never change');
	end if;
	if old.status in ('COMPLETED', 'CANCELLED') then
		if new.status <> old.status then
			perform dapur.refuse('production_transition',
			    format('a production that is %s cannot become %s', old.status, new.status));
		end if;
		perform dapur.refuse('production_finished', format('a production that is %s cannot change', old.status));
	end if;
	if new.version <> old.version then
		perform dapur.refuse('production_version', 'somebody changed this production meanwhile');
	end if;
	plan_changed := (new.program_id, new.menu_id, new.batch_number, new.production_date,
	    new.planned_portions, new.head_cook, new.assistant_cooks, new.supervisor_id,
	    new.planned_start_time, new.planned_end_time, new.estimated_cost, new.target_temperature, new.priority)
	    is distinct from (old.program_id, old.menu_id, old.batch_number, old.production_date,
	    old.planned_portions, old.head_cook, old.assistant_cooks, old.supervisor_id,
	    old.planned_start_time, old.planned_end_time, old.estimated_cost, old.target_temperature, old.priority);
	if plan_changed and old.status <> 'PLANNED' then
		perform dapur.refuse('production_plan_fixed', 'the plan can change only while it is PLANNED');
	end if;
	if plan_changed then
		if new.menu_id <> old.menu_id and not exists (select from dapur.menu m
		    where m.sppg_id = new.sppg_id and m.id = new.menu_id and m.active) then
			perform dapur.refuse('production_menu', 'the menu is not an active one of this kitchen');
		end if;
		if new.program_id <> old.program_id and not exists (select from dapur.program g
		    where g.sppg_id = new.sppg_id and g.id = new.program_id and g.active) then
			perform dapur.refuse('production_program', 'the program is not an active one of this kitchen');
		end if;
		if (new.head_cook, new.assistant_cooks, new.supervisor_id)
		    is distinct from (old.head_cook, old.assistant_cooks, old.supervisor_id) then
			perform dapur.production_check_people(new);
		end if;
		if date_trunc('month', new.production_date) <> date_trunc('month', old.production_date) then
			perform dapur.production_count(old.sppg_id, old.production_date, -1, 0);
			perform dapur.production_count(new.sppg_id, new.production_date, 1, 0);
			perform dapur.production_check_limit(new.sppg_id, new.production_date);
		end if;
	end if;
	actual_changed := (new.actual_portions, new.actual_start_time, new.actual_end_time, new.actual_cost,
	    new.actual_temperature, new.hygiene_score, new.taste_rating, new.appearance_rating,
	    new.texture_rating, new.waste_amount, new.waste_notes)
	    is distinct from (old.actual_portions, old.actual_start_time, old.actual_end_time, old.actual_cost,
	    old.actual_temperature, old.hygiene_score, old.taste_rating, old.appearance_rating,
	    old.texture_rating, old.waste_amount, old.waste_notes);
	if actual_changed and new.status = 'PLANNED' then
		perform dapur.refuse('production_not_started', 'actual values come when the preparation begins');
	end if;
	if new.status <> old.status then
		if not exists (select from dapur.production_transition t
		    where t.from_status = old.status and t.to_status = new.status) then
			perform dapur.refuse('production_transition',
			    format('a production that is %s cannot become %s', old.status, new.status));
		end if;
		case new.status
		when 'PREPARING' then
			new.actual_start_time := coalesce(new.actual_start_time, clock_timestamp());
		when 'COMPLETED' then
			if new.actual_portions is null then
				perform dapur.refuse('production_actual_portions',
				    'a completed production needs its actual portions');
			end if;
			if new.quality_passed is not true then
				perform dapur.refuse('production_quality', case when new.quality_passed is null
				    then 'a passed quality check is required first'
				    else 'a failed quality check is still open' end);
			end if;
			new.actual_end_time := coalesce(new.actual_end_time, clock_timestamp());
		when 'CANCELLED' then
			if new.rejection_reason is null then
				perform dapur.refuse('production_reason', 'say why it is cancelled');
			end if;
		else null;
		end case;
	end if;
	new.version := old.version + 1;
	new.updated_at := clock_timestamp();
	return new;
end $$;

-- Locks one production for a writer that read its version v.
create function dapur.production_expect(p_id text, v int) returns void
    language plpgsql as $$
declare
	v_version int;
begin
	select p.version into v_version from dapur.production p
	where p.sppg_id = dapur.tenant() and p.id = p_id for no key update;
	if not found then
		perform dapur.refuse('production_missing', 'there is no such production');
	end if;
	if v_version <> v then
		perform dapur.refuse('production_version', 'somebody changed this production meanwhile');
	end if;
end $$;

create trigger production_before_update before update on dapur.production
    for each row execute function dapur.production_before_update();

create function dapur.production_check_limit(p_sppg text, p_day date) returns void
    language plpgsql as $$
declare
	v_limit int;
begin
	select l.productions_per_month into v_limit
	from dapur.tenant t join dapur.tier l on l.name = t.tier
	    join dapur.production_month c on c.sppg_id = t.id and c.month = date_trunc('month', p_day)::date
	where t.id = p_sppg and c.kept > l.productions_per_month;
	if found then
		perform dapur.refuse('tier_limit',
		    format('the kitchen''s tier allows %s productions a month', v_limit));
	end if;
end $$;

create function dapur.production_before_delete() returns trigger
    language plpgsql security definer set search_path = dapur, pg_temp as $$
begin
	if old.status not in ('PLANNED', 'CANCELLED') then
		perform dapur.refuse('production_delete',
		    format('a production that is %s cannot be deleted; cancel it first', old.status));
	end if;
	perform dapur.production_count(old.sppg_id, old.production_date, -1, 0);
	return old;
end $$;

create trigger production_before_delete before delete on dapur.production
    for each row execute function dapur.production_before_delete();

create function dapur.production_log() returns trigger
    language plpgsql security definer set search_path = dapur, pg_temp as $$
declare
	p dapur.production;
	v_type text;
	v_more text := '';
	v_data text;
begin
	if tg_op = 'DELETE' then
		p := old;
		v_type := 'production_deleted';
	else
		p := new;
		v_type := case tg_op when 'INSERT' then 'production_created' else 'production_updated' end;
	end if;
	if tg_op = 'UPDATE' and new.status <> old.status then
		v_type := 'status_changed';
		v_more := concat(',"from":"', old.status, '","to":"', new.status, '"');
	end if;
	select dapur.production_json(p, m, g)::text into v_data
	from dapur.menu m, dapur.program g
	where m.sppg_id = p.sppg_id and m.id = p.menu_id and g.sppg_id = p.sppg_id and g.id = p.program_id;
	perform dapur.log_event(p.sppg_id, 'production', v_type, p.id, v_data, v_more);
	return null;
end $$;

create trigger production_log after insert or delete on dapur.production
    for each row execute function dapur.production_log();

-- A change of quality_passed alone is told by the quality check's own event.
create trigger production_log_update after update on dapur.production
    for each row when (new.quality_passed is not distinct from old.quality_passed)
    execute function dapur.production_log();

-- Quality checks --------------------------------------------------------------------------------

create function dapur.quality_check_before_insert() returns trigger
    language plpgsql security definer set search_path = dapur, pg_temp as $$
declare
	v_status dapur.production_status;
begin
	-- The lock puts two checks of one production, and its completion, in an order.
	select p.status into v_status from dapur.production p
	where p.sppg_id = new.sppg_id and p.id = new.production_id for no key update;
	if not found then
		perform dapur.refuse('quality_check_production', 'there is no such production');
	end if;
	if v_status not in ('COOKING', 'QUALITY_CHECK') then
		perform dapur.refuse('quality_check_status',
		    format('checks are added while COOKING or in QUALITY_CHECK, not when %s', v_status));
	end if;
	return new;
end $$;

create trigger quality_check_before_insert before insert on dapur.quality_check
    for each row execute function dapur.quality_check_before_insert();

create function dapur.quality_check_after_insert() returns trigger
    language plpgsql security definer set search_path = dapur, pg_temp as $$
declare
	v_production text;
	v_passed bool;
begin
	select bool_and(c.passed) into v_passed from (select distinct on (q.check_type) q.passed
	    from dapur.quality_check q
	    where q.sppg_id = new.sppg_id and q.production_id = new.production_id
	    order by q.check_type, q.n desc) c;
	update dapur.production p set quality_passed = v_passed
	where p.sppg_id = new.sppg_id and p.id = new.production_id
	    and p.quality_passed is distinct from v_passed;
	select dapur.production_json(p, m, g)::text into v_production
	from dapur.production p
	    join dapur.menu m on m.sppg_id = p.sppg_id and m.id = p.menu_id
	    join dapur.program g on g.sppg_id = p.sppg_id and g.id = p.program_id
	where p.sppg_id = new.sppg_id and p.id = new.production_id;
	perform dapur.log_event(new.sppg_id, 'production', 'quality_check_added', new.production_id,
	    dapur.quality_check_json(new)::text, concat(',"production":', v_production));
	return null;
end $$;

create trigger quality_check_after_insert after insert on dapur.quality_check
    for each row execute function dapur.quality_check_after_insert();

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
