-- What the streams ask PostgreSQL through `dapur ask serve`, with session_line. Run by the role dapur_relay.

-- name: ask_log
-- Head and tail of one tenant's log in one snapshot.
-- in: $1 sppg_id, $2 after this seq, $3 limit
-- out: 'epoch head floor', line (NULL when there is none after); no row: no such tenant
select h.epoch || ' ' || h.seq || ' ' || h.floor, e.line
from dapur.tenant_head h left join lateral (
    select v.seq, v.line from dapur.event v
    where v.sppg_id = h.sppg_id and v.seq > greatest($2::bigint, h.floor) order by v.seq limit $3::int) e on true
where h.sppg_id = $1
order by e.seq;
