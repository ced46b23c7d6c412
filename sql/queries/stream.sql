-- What somebody needs to open a stream.

-- name: stream_info
-- in: $1 hash of the session
-- out: sppg_id, person_id, position of the head, line for the session cache
select h.sppg_id, dapur.person_id(), h.epoch || '.' || h.seq, dapur.session_line($1)
from dapur.tenant_head h where h.sppg_id = dapur.tenant();

-- name: health_ready
-- out: 1 when the schema is there
select 1 from dapur.epoch;
