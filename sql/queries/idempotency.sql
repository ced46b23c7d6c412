-- Idempotency-Key.

-- name: idempotency_begin
-- in: $1 method and path, $2 key, $3 hash of the body
-- out: status, reply, position of the first answer; no row: run the request
-- fails: idempotency_running, idempotency_body
select status, reply, "position" from dapur.idempotency_begin($1, $2, $3);

-- name: idempotency_store
-- in: $1 method and path, $2 key, $3 hash of the body, $4 status, $5 reply, $6 position
insert into dapur.idempotency (sppg_id, person_id, scope, key, body_hash, status, reply, position)
values (dapur.tenant(), dapur.person_id(), $1, $2, $3, $4::int, $5, $6);
