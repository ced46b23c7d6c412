-- What holds for productions and quality checks, whoever writes them; and their events.

-- Productions -----------------------------------------------------------------------------------

-- A value out of its range, with the name and the code of a CHECK.
create function dapur.refuse_value(p_constraint text) returns void
    language plpgsql as $$
begin
	perform dapur.refuse(p_constraint, format('a value violates the rule "%s"', p_constraint));
end $$;

-- In place of a value: a status that cannot follow another.
create function dapur.refuse_transition(p_from dapur.production_status, p_to dapur.production_status)
    returns dapur.production_status
    language plpgsql as $$
begin
	perform dapur.refuse('production_transition', case when p_from = p_to
	    then format('the production is %s already', p_from)
	    else format('a production that is %s cannot become %s', p_from, p_to) end);
end $$;

-- Counts n productions more (or, negative, fewer) in a day's month, and one batch number more when p_batch is 1.
-- Returns what the month keeps then, the day's next batch number, and whether somebody gave that one by hand.
create function dapur.production_count(p_sppg text, p_day date, p_n int, p_batch int,
    out kept int, out batch text, out taken bool)
    language plpgsql as $$
declare
	v_month date := date_trunc('month', p_day)::date;
	v_day int := extract(day from p_day);
	v_number int;
begin
	update dapur.production_month c set kept = c.kept + p_n, batches[v_day] = c.batches[v_day] + p_batch
	where c.sppg_id = p_sppg and c.month = v_month
	returning c.kept, c.batches[v_day] into production_count.kept, v_number;
	if not found then -- the first of its month; or two at once are
		insert into dapur.production_month as c (sppg_id, month, kept, batches)
		values (p_sppg, v_month, p_n,
		    array_fill(0, array[v_day - 1]) || p_batch || array_fill(0, array[31 - v_day]))
		on conflict (sppg_id, month) do update set kept = c.kept + p_n,
		    batches[v_day] = c.batches[v_day] + p_batch
		returning c.kept, c.batches[v_day] into production_count.kept, v_number;
	end if;
	if p_batch = 1 then
		batch := concat('BATCH-', to_char(p_day, 'YYYYMMDD'), '-',
		    lpad(v_number::text, greatest(4, length(v_number::text)), '0'));
		-- a statement of its own: it sees what was committed while the one above waited for the row
		taken := exists (select from dapur.production p
		    where p.sppg_id = p_sppg and p.batch_number = production_count.batch);
	end if;
end $$;

-- Raises unless the tier allows what the month keeps.
create function dapur.production_check_kept(p_sppg text, p_kept int) returns void
    language plpgsql as $$
declare
	v_most int;
begin
	select l.productions_per_month into v_most
	from dapur.tenant t join dapur.tier l on l.name = t.tier where t.id = p_sppg;
	if p_kept > v_most then
		perform dapur.refuse('tier_limit', format('the kitchen''s tier allows %s productions a month', v_most));
	end if;
end $$;

-- What a production points at must be the kitchen's own and active.
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
    language plpgsql security definer as $$
declare
	v_ours bool := coalesce(current_setting('dapur.tenant', true), '') <> '';
	v_fault text;
	r record;
	c record;
begin
	select t.status, l.productions_per_month as most, m.active as menu_active, g.active as program_active,
	    m.cost_per_serving, s.active as cook_active
	into r
	from dapur.tenant t join dapur.tier l on l.name = t.tier
	    left join dapur.menu m on m.sppg_id = t.id and m.id = new.menu_id
	    left join dapur.program g on g.sppg_id = t.id and g.id = new.program_id
	    left join dapur.person s on s.sppg_id = t.id and s.id = new.head_cook
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
	if r.cook_active is not true or new.supervisor_id is not null or new.assistant_cooks <> '{}' then
		perform dapur.production_check_people(new);
	end if;
	if new.status <> 'PLANNED' and v_ours then
		perform dapur.refuse('production_transition', 'a production begins as PLANNED');
	end if;
	new.estimated_cost := coalesce(new.estimated_cost, r.cost_per_serving * new.planned_portions);
	-- Our actions count here, in one statement. A foreign writer's ON CONFLICT may yet drop the row: see after_insert.
	c := dapur.production_count(new.sppg_id, new.production_date, v_ours::int, (new.batch_number is null)::int);
	if v_ours and c.kept > r.most then
		perform dapur.production_check_kept(new.sppg_id, c.kept);
	end if;
	while c.taken loop
		c := dapur.production_count(new.sppg_id, new.production_date, 0, 1);
	end loop;
	new.batch_number := coalesce(new.batch_number, c.batch);
	v_fault := dapur.production_fault(new);
	if v_fault is not null then
		perform dapur.refuse_value(v_fault);
	end if;
	return new;
end $$;

create trigger production_before_insert before insert on dapur.production
    for each row execute function dapur.production_before_insert();

-- Counts what a foreign writer inserted: only rows that are there come here.
create function dapur.production_after_insert() returns trigger
    language plpgsql security definer as $$
begin
	perform dapur.production_check_kept(new.sppg_id,
	    (dapur.production_count(new.sppg_id, new.production_date, 1, 0)).kept);
	return null;
end $$;

create trigger production_after_insert after insert on dapur.production
    for each row when (coalesce(current_setting('dapur.tenant', true), '') = '')
    execute function dapur.production_after_insert();

-- What the checks of a production say: the last one of each type counts. NULL: there are none.
create function dapur.quality_of(p_sppg text, p_production text) returns bool
    language plpgsql as $$
begin
	return (select bool_and(c.passed) from (select distinct on (q.check_type) q.passed
	    from dapur.quality_check q
	    where q.sppg_id = p_sppg and q.production_id = p_production
	    order by q.check_type, q.n desc) c);
end $$;

-- What may change in which status, and what each status needs.
create function dapur.production_before_update() returns trigger
    language plpgsql security definer as $$
declare
	v_before dapur.production;
	v_fault text;
	v_kept int;
	v_more bool; -- more than the status changes
	plan_changed bool := false;
	actual_changed bool := false;
begin
	-- quality_passed alone moves when a check is added, to what the checks say; the check's own event tells it.
	if new.quality_passed is distinct from old.quality_passed and pg_trigger_depth() > 1 then
		v_before := old;
		v_before.quality_passed := new.quality_passed;
		if new is distinct from v_before
		    or new.quality_passed is distinct from dapur.quality_of(new.sppg_id, new.id) then
			perform dapur.refuse('production_fixed', 'qualityPassed is what the quality checks say');
		end if;
		new.version := old.version + 1;
		new.updated_at := clock_timestamp();
		return new;
	end if;
	-- One comparison of whole rows spares a move to the next status those of all members.
	v_before := old;
	v_before.status := new.status;
	v_more := new is distinct from v_before;
	if v_more and (new.sppg_id, new.id, new.created_at, new.created_by, new.quality_passed)
	    is distinct from (old.sppg_id, old.id, old.created_at, old.created_by, old.quality_passed) then
		perform dapur.refuse('production_fixed', 'these members of a production never change');
	end if;
	if new.status <> old.status and not exists (select from dapur.production_transition t
	    where t.from_status = old.status and t.to_status = new.status) then
		perform dapur.refuse_transition(old.status, new.status);
	end if;
	if old.status in ('COMPLETED', 'CANCELLED') then
		perform dapur.refuse('production_finished', format('a production that is %s cannot change', old.status));
	end if;
	if new.version <> old.version then
		perform dapur.refuse('production_version', 'somebody changed this production meanwhile');
	end if;
	if v_more then
		plan_changed := (new.program_id, new.menu_id, new.batch_number, new.production_date,
		    new.planned_portions, new.head_cook, new.assistant_cooks, new.supervisor_id,
		    new.planned_start_time, new.planned_end_time, new.estimated_cost, new.target_temperature, new.priority)
		    is distinct from (old.program_id, old.menu_id, old.batch_number, old.production_date,
		    old.planned_portions, old.head_cook, old.assistant_cooks, old.supervisor_id,
		    old.planned_start_time, old.planned_end_time, old.estimated_cost, old.target_temperature, old.priority);
		actual_changed := (new.actual_portions, new.actual_start_time, new.actual_end_time, new.actual_cost,
		    new.actual_temperature, new.hygiene_score, new.taste_rating, new.appearance_rating,
		    new.texture_rating, new.waste_amount, new.waste_notes)
		    is distinct from (old.actual_portions, old.actual_start_time, old.actual_end_time, old.actual_cost,
		    old.actual_temperature, old.hygiene_score, old.taste_rating, old.appearance_rating,
		    old.texture_rating, old.waste_amount, old.waste_notes);
	end if;
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
			if new.production_date > old.production_date then -- months are locked in one order
				perform dapur.production_count(old.sppg_id, old.production_date, -1, 0);
			end if;
			v_kept := (dapur.production_count(new.sppg_id, new.production_date, 1, 0)).kept;
			if new.production_date < old.production_date then
				perform dapur.production_count(old.sppg_id, old.production_date, -1, 0);
			end if;
			perform dapur.production_check_kept(new.sppg_id, v_kept);
		end if;
	end if;
	if actual_changed and new.status = 'PLANNED' then
		perform dapur.refuse('production_not_started', 'actual values come when the preparation begins');
	end if;
	if new.status <> old.status then
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
	if v_more then
		v_fault := dapur.production_fault(new);
		if v_fault is not null then
			perform dapur.refuse_value(v_fault);
		end if;
	end if;
	new.version := old.version + 1;
	new.updated_at := clock_timestamp();
	return new;
end $$;

-- Locks one production for a writer that read its version, one of v.
create function dapur.production_expect(p_id text, v int[]) returns void
    language plpgsql as $$
declare
	v_version int;
begin
	select p.version into v_version from dapur.production p
	where p.sppg_id = dapur.tenant() and p.id = p_id for no key update;
	if not found then
		perform dapur.refuse('production_missing', 'there is no such production');
	end if;
	if v_version <> all (v) then
		perform dapur.refuse('production_version', 'somebody changed this production meanwhile');
	end if;
end $$;

create trigger production_before_update before update on dapur.production
    for each row execute function dapur.production_before_update();

create function dapur.production_before_delete() returns trigger
    language plpgsql security definer as $$
begin
	if old.status not in ('PLANNED', 'CANCELLED') then
		perform dapur.refuse('production_delete',
		    format('a production that is %s cannot be deleted', old.status));
	end if;
	perform dapur.production_count(old.sppg_id, old.production_date, -1, 0);
	return old;
end $$;

create trigger production_before_delete before delete on dapur.production
    for each row execute function dapur.production_before_delete();

create function dapur.production_log() returns trigger
    language plpgsql security definer as $$
declare
	p dapur.production;
	v_type text;
	v_more text := '';
	v_data text;
	v_seq bigint;
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
	v_seq := dapur.log_event(p.sppg_id, 'production', v_type, p.id, v_data, v_more);
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
    language plpgsql security definer as $$
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
    language plpgsql security definer as $$
declare
	v_production text;
	v_passed bool;
begin
	v_passed := dapur.quality_of(new.sppg_id, new.production_id);
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

-- A check is a record of its moment: it goes only with its production.
create function dapur.quality_check_keep() returns trigger
    language plpgsql security definer as $$
begin
	if tg_op = 'UPDATE' or exists (select from dapur.production p
	    where p.sppg_id = old.sppg_id and p.id = old.production_id) then
		perform dapur.refuse('quality_check_fixed', 'a quality check stays as it was; add another one');
	end if;
	return old;
end $$;

create trigger quality_check_keep before update or delete on dapur.quality_check
    for each row execute function dapur.quality_check_keep();
