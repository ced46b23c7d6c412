-- Quality checks of a production.

-- name: quality_list
-- in: $1 production's id
-- out: position, array of checks as JSON, oldest first, the last 1,000; no row when there is no such production
select h.epoch || '.' || h.seq, (
	select concat('[', string_agg(dapur.quality_check_json(q)::text, ',' order by q.n), ']')
	from (select * from dapur.quality_check c where c.sppg_id = h.sppg_id and c.production_id = $1
	    order by c.n desc limit 1000) q)
from dapur.tenant_head h
where h.sppg_id = dapur.tenant() and exists (select from dapur.production p
    where p.sppg_id = h.sppg_id and p.id = $1);

-- name: quality_add
-- in: $1 production's id, $2 checkType, $3 parameter, $4 expectedValue?, $5 actualValue, $6 passed, $7 score?,
-- in: $8 severity?, $9 notes?, $10 recommendations?, $11 actionRequired?, $12 actionTaken?, $13 followUpDate?
-- emits: quality_check_added
insert into dapur.quality_check (sppg_id, production_id, check_type, parameter, expected_value,
    actual_value, passed, score, severity, notes, recommendations, action_required, action_taken,
    follow_up_date)
values (dapur.tenant(), $1, $2::dapur.check_type, $3, $4, $5, $6::bool, $7::int,
    $8::dapur.check_severity, $9, $10, coalesce($11::bool, false), $12, dapur.day_of($13));
