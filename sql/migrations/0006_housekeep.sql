-- What the relay throws away, a bounded piece at a time.

-- Forgets the oldest events of some kitchens; 0: no more are old. A piece holds the heads of its kitchens, and so their
-- writers: that must not take long.
create function dapur.housekeep(p_days int) returns bigint
    language plpgsql security definer set search_path = dapur, pg_temp as $$
declare
	v_old timestamptz := now() - make_interval(days => p_days);
	v_kitchens bigint := 0;
	h record;
begin
	-- One index probe a tenant finds those whose oldest event is too old.
	for h in select t.sppg_id from dapur.tenant_head t
	    where (select e.at from dapur.event e where e.sppg_id = t.sppg_id order by e.seq limit 1) < v_old
	    order by t.sppg_id limit 10
	loop
		-- what stands before the first young event: after a jump of the clock an older one may follow
		with oldest as (
			select e.seq, e.at from dapur.event e where e.sppg_id = h.sppg_id order by e.seq limit 1000),
		gone as (
			delete from dapur.event e using oldest o where e.sppg_id = h.sppg_id and e.seq = o.seq
			    and o.seq < coalesce((select min(y.seq) from oldest y where y.at >= v_old), 9223372036854775807)
			returning e.seq)
		update dapur.tenant_head t set floor = greatest(t.floor, (select max(seq) from gone))
		where t.sppg_id = h.sppg_id;
		v_kitchens := v_kitchens + 1;
	end loop;
	delete from dapur.session where expires_at < now();
	-- No cached session lives that long; the day is for who commits late, and for a kitchen without Redis.
	delete from dapur.session_stale
	where told_at < now() - interval '15 minutes' or at < now() - interval '1 day';
	delete from dapur.idempotency where created_at < now() - interval '24 hours';
	delete from dapur.login_try where since < now() - interval '15 minutes';
	return v_kitchens;
end $$;

revoke execute on function dapur.housekeep(int) from public;
grant execute on function dapur.housekeep(int) to dapur_relay;
