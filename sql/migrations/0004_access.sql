-- Who may do what in the database: sessions, row-level security, grants.

-- Opens a tenant for the length of the transaction, or refuses. hash: hex SHA-256 of the session token;
-- needed: a permission's name, or '*' for any valid session. The only place that sets dapur.tenant.
create function dapur.enter(p_hash text, p_needed text, out sppg_id text, out person_id text)
    language plpgsql security definer as $$
declare
	v_role text;
	v_set text;
begin
	select s.sppg_id, s.person_id, p.role into sppg_id, person_id, v_role
	from dapur.session s
	    join dapur.person p on p.sppg_id = s.sppg_id and p.id = s.person_id
	    join dapur.tenant t on t.id = s.sppg_id
	where s.token_hash = p_hash and s.expires_at > now() and p.active and t.status = 'ACTIVE';
	if not found then
		perform dapur.refuse('who_unauthorized', 'log in first');
	end if;
	if p_needed <> '*' and not exists (select from dapur.role_permission r
	    where r.role = v_role and r.permission = p_needed) then
		perform dapur.refuse('who_forbidden', format('your role lacks the permission %s', p_needed));
	end if;
	v_set := set_config('dapur.tenant', sppg_id, true); -- an assignment costs a tenth of a PERFORM
	v_set := set_config('dapur.person', person_id, true);
end $$;

-- The line of the session cache (who.h): seven members joined by TAB, the last the session as GET /api/session
-- answers it; null: no such session. plpgsql keeps its plan; a language sql function that cannot be inlined is
-- planned at every call.
create function dapur.session_line(p_hash text) returns text
    language plpgsql stable security definer as $$
declare
	v_line text;
begin
	select concat_ws(E'\t', s.sppg_id, s.person_id, p.name, p.role,
	    floor(extract(epoch from s.expires_at))::bigint, array_to_string(r.permissions, ','),
	    json_build_object(
		'user', json_build_object('id', p.id, 'name', p.name, 'email', p.email, 'role', p.role,
		    'sppgId', p.sppg_id),
		'sppg', json_build_object('id', t.id, 'name', t.name, 'tier', t.tier, 'timezone', t.timezone),
		'permissions', to_json(r.permissions),
		'expires', dapur.iso(s.expires_at)))
	into v_line
	from dapur.session s
	    join dapur.person p on p.sppg_id = s.sppg_id and p.id = s.person_id
	    join dapur.tenant t on t.id = s.sppg_id
	    cross join lateral (
		select coalesce(array_agg(a.permission order by a.permission), '{}') as permissions
		from dapur.role_permission a where a.role = p.role) r
	where s.token_hash = p_hash and s.expires_at > now() and p.active and t.status = 'ACTIVE';
	return v_line;
end $$;

-- Counts a try and answers whether it may go on: retry_after > 0 means wait so many seconds. It counts before
-- the password is looked at, so parallel guesses gain nothing. hash is null for an unknown or inactive account.
create function dapur.login_try(p_email text, p_address text, p_max int, p_max_address int,
    out retry_after int, out sppg_id text, out person_id text, out password_hash text)
    language plpgsql security definer set search_path = dapur, pg_temp as $$
#variable_conflict use_column
begin
	delete from dapur.login_try where what in (select t.what from dapur.login_try t
	    where t.since < now() - interval '15 minutes' limit 20 for update skip locked);
	with k (what, most) as (values ('account ' || p_email, p_max), ('address ' || p_address, p_max_address)),
	counted as (
		insert into dapur.login_try as t (what, since, n) select k.what, now(), 1 from k order by k.what
		on conflict (what) do update set
		    n = case when t.since < now() - interval '15 minutes' then 1 else t.n + 1 end,
		    since = case when t.since < now() - interval '15 minutes' then now() else t.since end
		returning what, since, n)
	select max(case when c.n > k.most
	    then ceil(extract(epoch from c.since + interval '15 minutes' - now()))::int else 0 end)
	into retry_after
	from counted c join k using (what);
	select p.sppg_id, p.id, p.password_hash into sppg_id, person_id, password_hash
	from dapur.person p join dapur.tenant t on t.id = p.sppg_id
	where p.email = p_email and p.active and t.status = 'ACTIVE';
end $$;

-- A right password: forgives the tries, keeps a better hash when one is given, opens the session.
-- At most 50 sessions a person: the oldest go.
create function dapur.login_done(p_email text, p_address text, p_sppg text, p_person text, p_token_hash text,
    p_hours int, p_user_agent text, p_new_hash text) returns void
    language plpgsql security definer set search_path = dapur, pg_temp as $$
begin
	delete from dapur.login_try where what = 'account ' || p_email;
	update dapur.login_try set n = greatest(n - 1, 0) where what = 'address ' || p_address;
	-- Whoever changes the person or the kitchen at this moment comes before us or waits, and then finds the session to
	-- mark it stale. (The update comes first: two that share a row could not both go on to change it.)
	if p_new_hash is not null then
		update dapur.person set password_hash = p_new_hash where sppg_id = p_sppg and id = p_person;
	end if;
	perform from dapur.person where sppg_id = p_sppg and id = p_person for share;
	perform from dapur.tenant where id = p_sppg for share;
	delete from dapur.session where token_hash in (select s.token_hash from dapur.session s
	    where s.sppg_id = p_sppg and s.person_id = p_person order by s.created_at desc offset 49);
	insert into dapur.session (token_hash, sppg_id, person_id, expires_at, address, user_agent)
	values (p_token_hash, p_sppg, p_person, now() + make_interval(hours => p_hours), p_address,
	    left(p_user_agent, 200));
end $$;

-- Ends this session, or every session of its person. Returns the hashes that ended.
create function dapur.logout(p_hash text, p_all bool) returns setof text
    language sql security definer set search_path = dapur, pg_temp as $$
	delete from dapur.session s using dapur.session mine
	where mine.token_hash = p_hash and s.sppg_id = mine.sppg_id and s.person_id = mine.person_id
	    and (p_all or s.token_hash = p_hash)
	returning s.token_hash
$$;

-- What the cache must unlearn --------------------------------------------------------------------

-- Sessions that ended, or whose cached line is wrong now, whoever changed it: an outbox, as the event log is. The relay
-- reads it and tells Redis; until Redis took it a row stays. Too many rows do no harm: streams just ask.
create table dapur.session_stale (
	n bigint generated always as identity primary key,
	sppg_id text not null,
	token_hash text not null,
	at timestamptz not null default clock_timestamp(),
	told_at timestamptz -- kept a while: a Redis that comes back with old data has to be told again
);

create index session_stale_untold on dapur.session_stale (n) where told_at is null;

create function dapur.session_stale_wake() returns trigger
    language plpgsql security definer as $$
begin
	perform pg_notify('dapur_wake', '');
	return null;
end $$;

-- Our actions tell Redis themselves; a foreign writer wakes the relay.
create trigger session_stale_wake after insert on dapur.session_stale
    for each row when (coalesce(current_setting('dapur.tenant', true), '') = '')
    execute function dapur.session_stale_wake();

create function dapur.session_ended() returns trigger
    language plpgsql security definer as $$
begin
	insert into dapur.session_stale (sppg_id, token_hash)
	select s.sppg_id, s.token_hash from was s where s.expires_at > now();
	return null;
end $$;

create trigger session_ended after delete on dapur.session referencing old table as was
    for each statement execute function dapur.session_ended();
create trigger session_changed after update on dapur.session referencing old table as was
    for each statement execute function dapur.session_ended();

create function dapur.person_sessions_stale() returns trigger
    language plpgsql security definer as $$
begin
	insert into dapur.session_stale (sppg_id, token_hash)
	select s.sppg_id, s.token_hash from dapur.session s
	where s.sppg_id = new.sppg_id and s.person_id = new.id and s.expires_at > now();
	return null;
end $$;

-- A person who is deleted takes the sessions along.
create trigger person_sessions_stale after update on dapur.person for each row
    when ((old.role, old.active, old.name, old.email) is distinct from (new.role, new.active, new.name, new.email))
    execute function dapur.person_sessions_stale();

create function dapur.tenant_sessions_stale() returns trigger
    language plpgsql security definer as $$
begin
	insert into dapur.session_stale (sppg_id, token_hash)
	select s.sppg_id, s.token_hash from dapur.session s where s.sppg_id = new.id and s.expires_at > now();
	return null;
end $$;

create trigger tenant_sessions_stale after update on dapur.tenant for each row
    when ((old.status, old.name, old.tier, old.timezone) is distinct from (new.status, new.name, new.tier, new.timezone))
    execute function dapur.tenant_sessions_stale();

create function dapur.role_sessions_stale() returns trigger
    language plpgsql security definer as $$
begin
	insert into dapur.session_stale (sppg_id, token_hash)
	select s.sppg_id, s.token_hash
	from dapur.person p join dapur.session s on s.sppg_id = p.sppg_id and s.person_id = p.id
	where p.role in (old.role, new.role) and s.expires_at > now();
	return null;
end $$;

create trigger role_sessions_stale after insert or update or delete on dapur.role_permission
    for each row execute function dapur.role_sessions_stale();

-- DELETE says whose sessions end; TRUNCATE would not.
create trigger refuse_truncate before truncate on dapur.session execute function dapur.refuse_truncate();

-- Row-level security: a transaction without a tenant sees nothing, one with a tenant that tenant alone.
do $$
declare
	t text;
begin
	foreach t in array array['person', 'session', 'program', 'menu', 'production', 'production_month',
	    'quality_check', 'tenant_head', 'event'] loop
		execute format('alter table dapur.%I enable row level security', t);
		execute format('create policy tenant on dapur.%I to dapur_app using (sppg_id = dapur.tenant())', t);
	end loop;
end $$;

alter table dapur.tenant enable row level security;
create policy tenant on dapur.tenant to dapur_app using (id = dapur.tenant());

-- Nobody but the relay reads or writes it; the triggers are the owner's.
alter table dapur.session_stale enable row level security;

-- The relay reads every tenant's log, and which sessions Redis has to unlearn, and nothing else of theirs. Only outside
-- a tenant's transaction: so one login that is a member of both roles (a small host) still sees one kitchen at a time in
-- its actions.
create policy relay on dapur.event to dapur_relay using (dapur.tenant() is null);
create policy relay on dapur.tenant_head to dapur_relay using (dapur.tenant() is null);
create policy relay on dapur.session_stale to dapur_relay using (dapur.tenant() is null);

-- A page of the list of all productions as a JSON array, read from the index in its order. Menu and program are looked up
-- row by row (limit 1 keeps the planner from joining whole tables first). A function, because PostgreSQL sets up the whole
-- of a statement, wanted or not; stable, so that it sees what the statement sees that calls it.
create function dapur.production_page(p_limit int, p_offset int) returns text
    language plpgsql stable as $$
begin
	return (select concat('[', string_agg(j.production::text, ','), ']') from (
		select dapur.production_json(p, m, g) as production
		from dapur.production p,
		    lateral (select * from dapur.menu x where x.sppg_id = p.sppg_id and x.id = p.menu_id limit 1) m,
		    lateral (select * from dapur.program x where x.sppg_id = p.sppg_id and x.id = p.program_id limit 1) g
		where p.sppg_id = dapur.tenant()
		order by p.production_date desc, p.created_at desc, p.id
		limit p_limit offset p_offset) j);
end $$;

-- New functions are PUBLIC's again (default privileges of one schema cannot take that away): each migration revokes.
revoke execute on all functions in schema dapur from public;

-- Every function that runs as the owner has a search_path of its own, also when its text names all schemas: types are
-- looked up in pg_temp first, and a domain pg_temp.text with a CHECK would let whoever calls it run anything as owner.
do $$
declare
	f regprocedure;
begin
	for f in select p.oid from pg_proc p
	    where p.pronamespace = 'dapur'::regnamespace and p.prosecdef and p.proconfig is null loop
		execute format('alter function %s set search_path = dapur, pg_temp', f);
	end loop;
end $$;

grant execute on function dapur.tenant(), dapur.person_id(), dapur.iso(timestamptz),
    dapur.day_of(text), dapur.production_expect(text, int[]),
    dapur.production_json(dapur.production, dapur.menu, dapur.program),
    dapur.quality_check_json(dapur.quality_check), dapur.program_json(dapur.program),
    dapur.menu_json(dapur.menu), dapur.staff_json(text, text, text, bool), dapur.refuse(text, text),
    dapur.refuse_transition(dapur.production_status, dapur.production_status),
    dapur.enter(text, text), dapur.production_page(int, int), dapur.session_line(text),
    dapur.login_try(text, text, int, int), dapur.login_done(text, text, text, text, text, int, text, text), dapur.logout(text, bool)
    to dapur_app;
grant execute on function dapur.session_line(text), dapur.tenant() to dapur_relay;

grant select, insert, update, delete on dapur.production to dapur_app;
grant select, insert on dapur.quality_check to dapur_app;
grant select on dapur.program, dapur.menu, dapur.tenant, dapur.tenant_head, dapur.event, dapur.tier,
    dapur.role, dapur.role_permission, dapur.production_transition, dapur.epoch to dapur_app;
grant select (sppg_id, id, email, name, role, active, created_at) on dapur.person to dapur_app;
grant select on dapur.event, dapur.tenant_head, dapur.epoch, dapur.session_stale to dapur_relay;
grant update (told_at) on dapur.session_stale to dapur_relay;
