-- The first answer to each Idempotency-Key, kept in the transaction that it answers for.

create table dapur.idempotency (
	sppg_id text not null,
	person_id text not null,
	scope text not null, -- method, pattern of the path, what its placeholders took
	key text not null check (length(key) between 1 and 255),
	body_hash text not null,
	status int not null,
	reply text not null,
	position text,
	created_at timestamptz(3) not null default now(),
	primary key (sppg_id, person_id, scope, key),
	foreign key (sppg_id, person_id) references dapur.person (sppg_id, id) on delete cascade
);

create index idempotency_age on dapur.idempotency (created_at);

alter table dapur.idempotency enable row level security;
create policy tenant on dapur.idempotency to dapur_app
    using (sppg_id = dapur.tenant() and person_id = dapur.person_id());
grant select, insert, delete on dapur.idempotency to dapur_app;

-- The kept answer, or no row when the request is to run. The lock is the running request's: a try that died
-- half way rolled back with its connection and left neither lock nor row.
create function dapur.idempotency_begin(p_scope text, p_key text, p_body_hash text)
    returns table (status int, reply text, "position" text)
    language plpgsql as $$
declare
	r dapur.idempotency;
begin
	if not pg_try_advisory_xact_lock(hashtextextended(
	    concat_ws(E'\n', dapur.tenant(), dapur.person_id(), p_scope, p_key), 0)) then
		perform dapur.refuse('idempotency_running', 'the first request with this key is still running');
	end if;
	delete from dapur.idempotency i where i.sppg_id = dapur.tenant() and i.person_id = dapur.person_id()
	    and i.scope = p_scope and i.key = p_key and i.created_at < now() - interval '24 hours';
	select * into r from dapur.idempotency i where i.sppg_id = dapur.tenant()
	    and i.person_id = dapur.person_id() and i.scope = p_scope and i.key = p_key;
	if not found then
		return;
	end if;
	if r.body_hash <> p_body_hash then
		perform dapur.refuse('idempotency_body', 'this key was used with another body');
	end if;
	return query select r.status, r.reply, r.position;
end $$;

revoke execute on function dapur.idempotency_begin(text, text, text) from public;
grant execute on function dapur.idempotency_begin(text, text, text) to dapur_app;
