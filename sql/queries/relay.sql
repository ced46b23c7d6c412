-- What dapur-relay asks; run by the role dapur_relay, which sees every tenant's log, the sessions that Redis has to
-- unlearn, and nothing else of theirs.

-- name: relay_listen
-- Foreign writers NOTIFY; our actions publish themselves.
listen dapur_wake;

-- name: relay_lsn
-- out: where the write-ahead log ends; unchanged: nobody wrote anything; the oldest transaction that has not ended
select pg_current_wal_insert_lsn(), pg_snapshot_xmin(pg_current_snapshot())::xid;

-- name: relay_stale
-- The stale sessions that nobody told yet, a row each kitchen. A session that holds, with other rights maybe, is only
-- doubted. Nothing is locked while Redis is told: a relay that is stopped in between must not keep them from another.
-- in: $1 limit of sessions
-- out: sppg_id, hashes of sessions that ended, hashes of those doubted (separated by spaces, '' for none), rows
select s.sppg_id,
    coalesce(string_agg(distinct s.token_hash, ' ') filter (where s.line is null), ''),
    coalesce(string_agg(distinct s.token_hash, ' ') filter (where s.line is not null), ''),
    array_agg(s.n)
from (select t.n, t.sppg_id, t.token_hash, dapur.session_line(t.token_hash) as line
    from dapur.session_stale t where t.told_at is null order by t.n limit $1::int) s
group by s.sppg_id;

-- name: relay_stale_told
-- in: $1 rows
update dapur.session_stale set told_at = now() where n = any($1::bigint[]);

-- name: relay_stale_again
-- Redis lost its data: what it was told lately may be cached as before.
-- in: $1 seconds
update dapur.session_stale set told_at = null where told_at > now() - make_interval(secs => $1::int);

-- name: relay_heads
-- Who moves a head writes its row anew, so the row's xmin says when. (One of two thousand million transactions ago looks
-- young again: then it is read in vain.)
-- in: $1 a transaction, NULL: every tenant
-- out: sppg_id, epoch, seq, floor of the tenants whose head it or a later one wrote, in byte order of sppg_id
select sppg_id, epoch, seq, floor from dapur.tenant_head
where $1::text is null or age(xmin) <= age($1::text::xid) order by sppg_id collate "C";

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
