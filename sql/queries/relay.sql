-- What dapur-relay asks; run by the role dapur_relay, which sees every tenant's log and nothing else of theirs.

-- name: relay_listen
-- Foreign writers NOTIFY; our actions publish themselves.
listen dapur_wake;

-- name: relay_lsn
-- out: where the write-ahead log ends; unchanged: nobody wrote anything
select pg_current_wal_insert_lsn();

-- name: relay_heads
-- out: sppg_id, epoch, seq, floor of every tenant, in byte order of sppg_id
select sppg_id, epoch, seq, floor from dapur.tenant_head order by sppg_id collate "C";

-- name: relay_events
-- in: $1 sppg_id, $2 first seq, $3 last seq, $4 limit
-- out: topic, seq, line; in order of seq
select topic, seq, line from dapur.event
where sppg_id = $1 and seq between $2::bigint and $3::bigint order by seq limit $4::int;

-- name: relay_housekeep
-- Forgets what is old: events (raising the floor), sessions, kept answers, tries to log in. A piece of it: ask again
-- until it is 0.
-- in: $1 days of the log
-- out: of how many tenants events went
select dapur.housekeep($1::int);
