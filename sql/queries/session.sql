-- Sessions, and what every transaction begins and ends with.

-- name: enter
-- Opens the tenant of a session; sent before the first statement of every action.
-- in: $1 hash of the session token, $2 permission needed ('*': any session)
-- out: sppg_id, person_id
-- fails: who_unauthorized, who_forbidden
select sppg_id, person_id from dapur.enter($1, $2);

-- name: tx_events
-- The events that this transaction wrote; sent before the commit of every write.
-- out: topic, seq, line, data_at, data_len, epoch; in order of seq
select e.topic, e.seq, e.line, e.data_at, e.data_len, current_setting('dapur.epoch', true)
from dapur.event e
where e.sppg_id = dapur.tenant()
    and e.seq >= nullif(current_setting('dapur.first_seq', true), '')::bigint
order by e.seq;

-- name: session_try
-- Counts a try to log in and finds the account.
-- in: $1 email, $2 address, $3 tries of an account, $4 tries of an address
-- out: retry_after (seconds, 0: go on), sppg_id, person_id, password_hash (NULL: no such active account)
select retry_after, sppg_id, person_id, password_hash
from dapur.login_try($1, $2, $3::int, $4::int);

-- name: session_done
-- Opens a session after a right password.
-- in: $1 email, $2 address, $3 sppg_id, $4 person_id, $5 token hash, $6 hours, $7 user agent, $8 new password hash or NULL
select dapur.login_done($1, $2, $3, $4, $5, $6::int, $7, $8);

-- name: session_line
-- in: $1 token hash
-- out: line of the session cache; NULL: no such session
select dapur.session_line($1);

-- name: session_end
-- in: $1 token hash, $2 true: every session of this person
-- out: the hashes that ended, a row each
select dapur.logout($1, $2::bool);
