-- What the forms of a kitchen need: programs, menus, staff.

-- name: program_list
-- in: $1 position the caller knows
-- out: position, array as JSON
select h.position, case when h.position is distinct from $1 then (
	select concat('[', string_agg(dapur.program_json(g)::text, ',' order by g.name, g.id), ']')
	from dapur.program g where g.sppg_id = dapur.tenant()) end
from (select epoch || '.' || seq as position from dapur.tenant_head where sppg_id = dapur.tenant()) h;

-- name: menu_list
-- in: $1 position the caller knows, $2 programId?
-- out: position, array as JSON
select h.position, case when h.position is distinct from $1 then (
	select concat('[', string_agg(dapur.menu_json(m)::text, ',' order by m.menu_name, m.id), ']')
	from dapur.menu m where m.sppg_id = dapur.tenant() and ($2::text is null or m.program_id = $2)) end
from (select epoch || '.' || seq as position from dapur.tenant_head where sppg_id = dapur.tenant()) h;

-- name: staff_list
-- in: $1 position the caller knows, $2 role?
-- out: position, array as JSON
select h.position, case when h.position is distinct from $1 then (
	select concat('[', string_agg(dapur.staff_json(s.id, s.name, s.role, s.active)::text, ','
	    order by s.name, s.id), ']')
	from dapur.person s where s.sppg_id = dapur.tenant() and ($2::text is null or s.role = $2)) end
from (select epoch || '.' || seq as position from dapur.tenant_head where sppg_id = dapur.tenant()) h;
