-- What the admin CLI does; run by the owner. Statements that end or change sessions answer
-- with sppg_id and the hashes of the sessions concerned, separated by spaces.

-- name: admin_epoch
select epoch from dapur.epoch;

-- name: admin_epoch_new
-- Begins a new history: every position of the old one is answered by a reset.
-- out: the new epoch
with n as (update dapur.epoch set epoch = substr(md5(gen_random_uuid()::text), 1, 8) returning epoch),
h as (update dapur.tenant_head t set epoch = n.epoch, floor = t.seq from n)
select epoch from n;

-- name: admin_tenant_list
-- out: id, status, tier, name, people, productions
select t.id, t.status, t.tier, t.name,
    (select count(*) from dapur.person p where p.sppg_id = t.id),
    (select count(*) from dapur.production p where p.sppg_id = t.id)
from dapur.tenant t order by t.id;

-- name: admin_tenant_add
-- in: $1 id, $2 name, $3 tier
insert into dapur.tenant (id, name, tier) values ($1, $2, $3);

-- name: admin_tenant_status
-- in: $1 id, $2 status
-- out: sppg_id, hashes of the tenant's sessions
with t as (update dapur.tenant set status = $2::dapur.tenant_status where id = $1 returning id)
select t.id, (select string_agg(s.token_hash, ' ') from dapur.session s where s.sppg_id = t.id) from t;

-- name: admin_user_list
-- in: $1 sppg_id
-- out: email, role, active, name
select email, role, case when active then 'active' else 'disabled' end, name
from dapur.person where sppg_id = $1 order by email;

-- name: admin_user_add
-- in: $1 sppg_id, $2 email, $3 name, $4 role, $5 password hash
insert into dapur.person (sppg_id, email, name, role, password_hash) values ($1, lower($2), $3, $4, $5);

-- name: admin_user_active
-- in: $1 email, $2 true or false
-- out: sppg_id, hashes of the user's sessions
with p as (update dapur.person set active = $2::bool where email = lower($1) returning sppg_id, id)
select p.sppg_id, (select string_agg(s.token_hash, ' ') from dapur.session s
    where s.sppg_id = p.sppg_id and s.person_id = p.id) from p;

-- name: admin_user_role
-- in: $1 email, $2 role
-- out: sppg_id, hashes of the user's sessions
with p as (update dapur.person set role = $2 where email = lower($1) returning sppg_id, id)
select p.sppg_id, (select string_agg(s.token_hash, ' ') from dapur.session s
    where s.sppg_id = p.sppg_id and s.person_id = p.id) from p;

-- name: admin_user_password
-- Changes the password and ends every session of the user.
-- in: $1 email, $2 password hash
-- out: sppg_id, hashes of the sessions that ended
with p as (update dapur.person set password_hash = $2 where email = lower($1) returning sppg_id, id),
s as (delete from dapur.session s using p where s.sppg_id = p.sppg_id and s.person_id = p.id
    returning s.token_hash)
select p.sppg_id, (select string_agg(s.token_hash, ' ') from s) from p;

-- name: admin_session_list
-- in: $1 email
-- out: created, expires, address, user agent
select to_char(s.created_at, 'YYYY-MM-DD HH24:MI'), to_char(s.expires_at, 'YYYY-MM-DD HH24:MI'),
    coalesce(s.address, ''), coalesce(s.user_agent, '')
from dapur.session s join dapur.person p on p.sppg_id = s.sppg_id and p.id = s.person_id
where p.email = lower($1) order by s.created_at;

-- name: admin_session_end
-- in: $1 email
-- out: sppg_id, hashes of the sessions that ended
with p as (select sppg_id, id from dapur.person where email = lower($1)),
s as (delete from dapur.session s using p where s.sppg_id = p.sppg_id and s.person_id = p.id
    returning s.token_hash)
select p.sppg_id, (select string_agg(s.token_hash, ' ') from s) from p;
