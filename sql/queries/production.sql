-- Productions. Every statement runs inside its tenant; the schema's triggers hold the rules.

-- name: production_create
-- in: $1 programId, $2 menuId, $3 productionDate, $4 plannedPortions, $5 headCook, $6 plannedStartTime,
-- in: $7 plannedEndTime, $8 batchNumber?, $9 assistantCooks?, $10 supervisorId?, $11 estimatedCost?,
-- in: $12 targetTemperature?, $13 priority?, $14 notes?
-- emits: production_created
insert into dapur.production (sppg_id, program_id, menu_id, production_date, planned_portions, head_cook,
    planned_start_time, planned_end_time, batch_number, assistant_cooks, supervisor_id, estimated_cost,
    target_temperature, priority, notes)
values (dapur.tenant(), $1, $2, dapur.day_of($3), $4::int, $5, $6::timestamptz, $7::timestamptz, $8,
    coalesce($9::text[], '{}'), $10, $11::numeric, $12::numeric,
    coalesce($13::dapur.production_priority, 'NORMAL'), $14);

-- name: production_page
-- A list of all productions. An unchanged one costs little more than its position.
-- in: $1 position the caller knows (its answer is then NULL), $2 limit, $3 offset
-- out: position, array of productions as JSON, total
select h.position,
    case when h.position is distinct from $1 then dapur.production_page($2::int, $3::int) end,
    case when h.position is distinct from $1 then (
	select count(*) from dapur.production p where p.sppg_id = dapur.tenant()) end
from (select epoch || '.' || seq as position from dapur.tenant_head where sppg_id = dapur.tenant()) h;

-- name: production_list
-- The same with filters: one pass over the kitchen's productions, then whole rows for one page.
-- in: $1 position the caller knows (its answer is then NULL), $2 statuses, $3 from, $4 to, $5 menuId,
-- in: $6 programId, $7 headCook, $8 search, $9 limit, $10 offset
-- out: position, array of productions as JSON, total
with hit as materialized (
	select p.id, p.production_date, p.created_at from dapur.production p
	where p.sppg_id = dapur.tenant()
	    and ($2::dapur.production_status[] is null or p.status = any ($2::dapur.production_status[]))
	    and ($3::text is null or p.production_date >= (select dapur.day_of($3)))
	    and ($4::text is null or p.production_date <= (select dapur.day_of($4)))
	    and ($5::text is null or p.menu_id = $5)
	    and ($6::text is null or p.program_id = $6)
	    and ($7::text is null or p.head_cook = $7)
	    and ($8::text is null or position(lower($8) in lower(concat_ws(' ', p.batch_number,
		(select concat_ws(' ', m.menu_name, m.menu_code) from dapur.menu m
		where m.sppg_id = p.sppg_id and m.id = p.menu_id), p.notes))) > 0))
select h.position,
    case when h.position is distinct from $1 then (
	select concat('[', string_agg(j.production::text, ','), ']') from (
		select dapur.production_json(p, m, g) as production
		from (select * from hit order by hit.production_date desc, hit.created_at desc, hit.id
			limit $9::int offset $10::int) o,
		    lateral (select * from dapur.production x where x.sppg_id = dapur.tenant() and x.id = o.id limit 1) p,
		    lateral (select * from dapur.menu x where x.sppg_id = p.sppg_id and x.id = p.menu_id limit 1) m,
		    lateral (select * from dapur.program x where x.sppg_id = p.sppg_id and x.id = p.program_id limit 1) g
		order by o.production_date desc, o.created_at desc, o.id) j) end,
    case when h.position is distinct from $1 then (select count(*) from hit) end
from (select epoch || '.' || seq as position from dapur.tenant_head where sppg_id = dapur.tenant()) h;

-- name: production_get
-- in: $1 id
-- out: position, production as JSON, version
select h.epoch || '.' || h.seq, dapur.production_json(p, m, g), p.version
from dapur.production p
    join dapur.menu m on m.sppg_id = p.sppg_id and m.id = p.menu_id
    join dapur.program g on g.sppg_id = p.sppg_id and g.id = p.program_id
    join dapur.tenant_head h on h.sppg_id = p.sppg_id
where p.sppg_id = dapur.tenant() and p.id = $1;

-- name: production_expect
-- Locks a production and compares its version; sent before a write with If-Match.
-- in: $1 id, $2 versions
-- fails: production_missing, production_version
select dapur.production_expect($1, $2::int[]);

-- name: production_update
-- in: $1 id, $2 the changed members as a JSON object named by columns
-- emits: production_updated, status_changed
update dapur.production p set program_id = n.program_id, menu_id = n.menu_id,
    batch_number = n.batch_number, production_date = case when $2::jsonb ? 'production_date'
	then dapur.day_of($2::jsonb ->> 'production_date') else n.production_date end,
    planned_portions = n.planned_portions, actual_portions = n.actual_portions,
    head_cook = n.head_cook, assistant_cooks = n.assistant_cooks, supervisor_id = n.supervisor_id,
    planned_start_time = n.planned_start_time, planned_end_time = n.planned_end_time,
    actual_start_time = n.actual_start_time, actual_end_time = n.actual_end_time,
    estimated_cost = n.estimated_cost, actual_cost = n.actual_cost,
    target_temperature = n.target_temperature, actual_temperature = n.actual_temperature,
    hygiene_score = n.hygiene_score, taste_rating = n.taste_rating,
    appearance_rating = n.appearance_rating, texture_rating = n.texture_rating,
    waste_amount = n.waste_amount, waste_notes = n.waste_notes, notes = n.notes, photos = n.photos,
    priority = n.priority
from (select (jsonb_populate_record(o, $2::jsonb)).* from dapur.production o
    where o.sppg_id = dapur.tenant() and o.id = $1 for no key update) n
where p.sppg_id = dapur.tenant() and p.id = $1;

-- name: production_delete
-- in: $1 id
-- emits: production_deleted
delete from dapur.production p where p.sppg_id = dapur.tenant() and p.id = $1;

-- name: production_set_status
-- in: $1 id, $2 status, $3 actualPortions?, $4 reason?, $5 notes?
-- emits: status_changed
update dapur.production p set status = case when p.status = $2::dapur.production_status
	then dapur.refuse_transition(p.status, p.status) else $2::dapur.production_status end,
    actual_portions = coalesce($3::int, p.actual_portions),
    rejection_reason = coalesce($4, p.rejection_reason), notes = coalesce($5, p.notes)
where p.sppg_id = dapur.tenant() and p.id = $1;

-- name: production_history
-- Who did what when, oldest first; the last 1,000. No row when there is no such production.
-- in: $1 id
-- out: position, array of events as JSON
select h.epoch || '.' || h.seq, (
	select concat('[', string_agg(e.line, ',' order by e.seq), ']') from (select v.seq, v.line from dapur.event v
	    where v.sppg_id = h.sppg_id and v.object_id = $1 and v.topic = 'production'
	    order by v.seq desc limit 1000) e)
from dapur.tenant_head h
where h.sppg_id = dapur.tenant() and exists (select from dapur.production p
    where p.sppg_id = h.sppg_id and p.id = $1);

-- name: production_stats
-- in: $1 position the caller knows, $2 from?, $3 to?
-- out: position, figures as JSON
select h.position, case when h.position is distinct from $1 then (
	select json_build_object(
	    'total', count(*),
	    'byStatus', json_build_object(
		'PLANNED', count(*) filter (where p.status = 'PLANNED'),
		'PREPARING', count(*) filter (where p.status = 'PREPARING'),
		'COOKING', count(*) filter (where p.status = 'COOKING'),
		'QUALITY_CHECK', count(*) filter (where p.status = 'QUALITY_CHECK'),
		'COMPLETED', count(*) filter (where p.status = 'COMPLETED'),
		'CANCELLED', count(*) filter (where p.status = 'CANCELLED')),
	    'plannedPortions', coalesce(sum(p.planned_portions), 0),
	    'actualPortions', coalesce(sum(p.actual_portions), 0),
	    'estimatedCost', coalesce(sum(p.estimated_cost), 0),
	    'actualCost', coalesce(sum(p.actual_cost), 0),
	    'wasteAmount', coalesce(sum(p.waste_amount), 0),
	    'hygieneScore', round(avg(p.hygiene_score), 1),
	    'tasteRating', round(avg(p.taste_rating), 2),
	    'appearanceRating', round(avg(p.appearance_rating), 2),
	    'textureRating', round(avg(p.texture_rating), 2),
	    'qualityPassed', count(*) filter (where p.quality_passed),
	    'qualityFailed', count(*) filter (where not p.quality_passed))
	from dapur.production p
	where p.sppg_id = dapur.tenant()
	    and ($2::text is null or p.production_date >= (select dapur.day_of($2)))
	    and ($3::text is null or p.production_date <= (select dapur.day_of($3)))) end
from (select epoch || '.' || seq as position from dapur.tenant_head where sppg_id = dapur.tenant()) h;
