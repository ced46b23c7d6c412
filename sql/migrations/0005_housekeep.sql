-- What the relay throws away, a bounded piece at a time.

create function dapur.housekeep(p_days int) returns bigint
    language plpgsql security definer set search_path = dapur, pg_temp as $$
declare
	v_old timestamptz := now() - make_interval(days => p_days);
	v_gone bigint := 0;
	v_n bigint;
	h record;
begin
	-- One index probe a tenant finds those whose oldest event is too old.
	for h in select t.sppg_id, t.floor from dapur.tenant_head t
	    where (select e.at from dapur.event e where e.sppg_id = t.sppg_id and e.seq > t.floor
		order by e.seq limit 1) < v_old
	loop
		with old as (
			select e.seq from (select seq, at from dapur.event
			    where sppg_id = h.sppg_id and seq > h.floor order by seq limit 1000) e
			where e.at < v_old),
		gone as (
			delete from dapur.event e where e.sppg_id = h.sppg_id
			    and e.seq <= (select max(seq) from old) returning e.seq)
		update dapur.tenant_head t set floor = (select max(seq) from gone)
		where t.sppg_id = h.sppg_id and exists (select from gone);
		get diagnostics v_n = row_count;
		v_gone := v_gone + v_n;
	end loop;
	delete from dapur.session where expires_at < now();
	delete from dapur.idempotency where created_at < now() - interval '24 hours';
	delete from dapur.login_try where since < now() - interval '15 minutes';
	return v_gone;
end $$;

revoke execute on function dapur.housekeep(int) from public;
grant execute on function dapur.housekeep(int) to dapur_relay;
