/*
 * dapur-relay: what the log has and Redis has not, published within a second,
 * whoever wrote it and whichever relay died. Runs alone: the stack's relay is
 * stopped, and relays of the test's own take its place.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { connect, owner } from '../lib/db.js';
import { env } from '../lib/env.js';
import { open, openAll } from '../lib/feeds.js';
import { allHaveAll, hasAll, headOf, relayed } from '../lib/log.js';
import { create, insert, insertMany } from '../lib/production.js';
import { run, start } from '../lib/proc.js';
import { listen, redis } from '../lib/redis.js';
import { freeze, service } from '../lib/services.js';
import { settings } from '../lib/settings.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { until, within } from '../lib/wait.js';

/* The promise is a second, a takeover five; a test's machine may be slow. */
const SOON = 5_000;
const TAKEOVER = 15_000;

suite('the relay', { exclusive: true }, () => {
	let t, c, client;

	const relay = (conf = env.DAPUR_CONF) => {
		const child = start('dapur-relay', ['-c', conf], { ...process.env });
		child.log = '';
		for (const out of [child.stdout, child.stderr])
			out.on('data', (bytes) => { child.log += bytes; });
		return child;
	};
	const once = (conf = env.DAPUR_CONF) => run('dapur-relay', ['-c', conf, '--once']);
	const relayedLines = (child) => child.log.split('\n')
		.filter((line) => line.includes('event=relayed') && line.includes(t.id));
	const end = async (child, signal = 'SIGTERM') => {
		child.kill(signal);
		return within(15_000, 'end of the relay', child.exited);
	};

	before(async () => {
		t = await makeTenant({ who: ['kepala'] });
		c = await t.login('kepala');
		client = await redis();
		await create(c, t);
	});

	test('a foreign writer\'s event is at every feed at once', async () => {
		const feeds = await openAll(c);

		for (let n = 0; n < 5; n++) {
			await insert(t);
			await allHaveAll(feeds, t, { ms: SOON });
		}
	});

	test('also when the wake-up does not come: NOTIFY is a help, not a need', async () => {
		const feeds = await openAll(c);

		/* The trigger does not NOTIFY for writers that name a session, as our actions do. */
		await owner(`BEGIN; SET LOCAL dapur.person = '${t.people.kepala.id}';
		    SET LOCAL dapur.tenant = '${t.id}';
		    INSERT INTO dapur.production (sppg_id, program_id, menu_id, production_date, planned_portions,
			head_cook, planned_start_time, planned_end_time)
		    SELECT sppg_id, program_id, menu_id, production_date, planned_portions, head_cook,
			planned_start_time, planned_end_time FROM dapur.production WHERE sppg_id = '${t.id}' LIMIT 1;
		    COMMIT`);
		await allHaveAll(feeds, t, { ms: SOON });
		assert.equal(feeds[0].events[0].userId, t.people.kepala.id, 'it was taken for an action');
	});

	test('a transaction that commits long after the relay went on is not overlooked', async () => {
		const u = await makeTenant({ who: ['kepala'] });
		const d = await u.login('kepala');
		const slow = await connect(env.DATABASE_URL);

		await create(d, u);
		await relayed(client, u);
		const feeds = await openAll(d);
		for (const within of ['', 'SAVEPOINT s; ']) {
			await slow.query(`BEGIN; ${within}UPDATE dapur.menu SET menu_name = menu_name || '.'
			    WHERE sppg_id = '${u.id}'`);
			/* others commit, and are relayed, one look after the other */
			for (let n = 0; n < 5; n++) {
				await insert(t);
				await relayed(client, t);
			}
			await slow.query('COMMIT');
			await allHaveAll(feeds, u, { ms: SOON });
		}
	});

	test('committed, and the worker could not publish: the relay does, in order, each once', async () => {
		const bus = await listen(`*:updates:${t.id}`);
		const feeds = await openAll(c);
		const before = await headOf(t);

		/* No worker can publish: as if each was killed after COMMIT. */
		await service('stop', 'redis');
		for (let n = 0; n < 4; n++)
			await create(c, t);
		await service('start', 'redis');
		await relayed(client, t, TAKEOVER);
		await allHaveAll(feeds, t);
		await create(c, t);
		await allHaveAll(feeds, t);
		await until('the publication', () => bus.messages.length > 0);
		const seqs = bus.messages.map((m) => JSON.parse(m.text).seq);
		assert.equal(new Set(seqs).size, seqs.length, 'nothing is published twice');
		assert.deepEqual(seqs, [...seqs].sort((a, b) => a - b));
		assert.ok(seqs.at(-1) > before.seq);
	});

	test('--once: publishes what is missing, then exits; when nothing is missing, too', async () => {
		await service('stop', 'relay');
		const feeds = await openAll(c);
		await insertMany(t, 5);
		assert.deepEqual(feeds.map((feed) => feed.events.length), [0, 0, 0, 0], 'nobody relays');
		const r = await once();
		assert.equal(r.code, 0, r.stderr);
		assert.match(r.stderr + r.stdout, new RegExp(`event=relayed\\b.*${t.id}`));
		await allHaveAll(feeds, t);
		const again = await once();
		assert.equal(again.code, 0);
		assert.doesNotMatch(again.stderr + again.stdout, /event=relayed/);
	});

	test('--once with PostgreSQL or Redis away: exit 1; wrong settings: 100', async () => {
		assert.equal((await once(settings({ redis: 'unix:/nonexistent' }))).code, 1);
		assert.equal((await once(settings({ relay_database: 'host=/nonexistent dbname=x' }))).code, 1);
		assert.equal((await once('/nonexistent/dapur.conf')).code, 100);
		assert.equal((await run('dapur-relay', ['--nonsense'])).code, 100);
	});

	test('two relays: one works; killed, or stopped in mid-air, the other takes over', async () => {
		const bus = await listen(`*:updates:${t.id}`);
		const feeds = await openAll(c);
		let [a, b] = [relay(), relay()];
		const worker = async () => {
			const already = [relayedLines(a).length, relayedLines(b).length];
			await insert(t);
			await allHaveAll(feeds, t, { ms: TAKEOVER });
			await until('who relayed it', () => relayedLines(a).length > already[0]
			    || relayedLines(b).length > already[1]);
			const did = [relayedLines(a).length > already[0], relayedLines(b).length > already[1]];
			assert.notEqual(did[0], did[1], 'one of them');
			return did[0] ? [a, b] : [b, a];
		};

		let [busy, idle] = await worker();
		assert.equal((await worker())[0], busy, 'it keeps working');
		await end(busy, 'SIGKILL');
		const [next] = await worker();
		assert.equal(next, idle);

		[a, b] = [idle, relay()];
		const thaw = freeze([idle.pid]);
		const [third] = await worker();
		assert.equal(third, b);
		thaw();
		await worker();
		await worker();
		const seqs = bus.messages.map((m) => JSON.parse(m.text).seq);
		assert.deepEqual(seqs, seqs.map((_, n) => seqs[0] + n), 'each published once, in order');
		for (const child of [a, b])
			assert.deepEqual(await end(child), { code: 0, signal: null });
	});

	test('idle: it looks, and touches the log not once', async () => {
		const child = relay();
		await insert(t);
		await relayed(client, t);
		/* Each look asks Redis for the lease, by EVAL; nobody else uses that. */
		const looks = async () => /cmdstat_eval:calls=(\d+)/.exec(await client.info('commandstats'))?.[1];
		const reads = async () => (await owner(`SELECT seq_scan + coalesce(idx_scan, 0) AS n
		    FROM pg_stat_user_tables WHERE schemaname = 'dapur' AND relname = 'event'`)).rows[0].n;
		const look = async () => {
			const last = await looks();
			await until('another look', async () => await looks() !== last);
		};

		/* What anybody did so far has to be in the statistics, which an idle backend sends within 10 s: 45 looks. */
		let n = await reads();
		for (let calm = 0; calm < 45;) {
			await look();
			const now = await reads();
			calm = now === n ? calm + 1 : 0;
			n = now;
		}
		for (let k = 0; k < 8; k++)
			await look();
		assert.equal(await reads(), n, 'reads of dapur.event while nothing happens');
		await insert(t);
		await until('its reading in the statistics', async () => Number(await reads()) > Number(n));
		await end(child);
	});

	test('Redis back from the dead, empty: the history is put back, without publishing old news', async () => {
		const child = relay();
		const bus = await listen(`*:updates:${t.id}`);
		await relayed(client, t);

		await client.flushall();
		const { seq } = await relayed(client, t, TAKEOVER);
		const { floor } = await headOf(t);
		await until('the history', async () =>
			await client.zcard(`dapur:{${t.id}}:log`) === Math.min(200, seq - floor));
		await create(c, t);
		const { text } = await bus.next(() => true);
		assert.equal(JSON.parse(text).seq, seq + 1, 'the first message is the new event');
		await end(child);
	});

	test('one kitchen\'s broken keys do not hold up another\'s events', async () => {
		const child = relay();
		const u = await makeTenant({ who: ['kepala'] });
		const [first, second] = [t, u].sort((x, y) => (x.id < y.id ? -1 : 1));
		const feed = await open('WebSocket', await second.login('kepala'));

		await insert(first);
		await relayed(client, first, TAKEOVER);	/* it works */
		await client.del(`dapur:{${first.id}}:log`);
		await client.set(`dapur:{${first.id}}:log`, 'broken');
		await insert(first);
		await insert(second);
		await hasAll(feed, second, { ms: SOON });
		await relayed(client, first);
		await end(child);
	});

	test('prunes by age: the floor rises, an older position gets reset, the rest resumes', async () => {
		const u = await makeTenant({ who: ['kepala'] });
		const d = await u.login('kepala');
		await insertMany(u, 12);
		const { epoch, seq } = await headOf(u);
		const old = seq - 5;

		assert.equal((await once()).code, 0);
		await owner(`UPDATE dapur.event SET at = now() - interval '3 days'
		    WHERE sppg_id = $1 AND seq <= $2`, [u.id, old]);
		assert.equal((await once(settings({ log_days: 4 }))).code, 0);
		assert.equal((await headOf(u)).floor, 0);
		assert.equal((await once(settings({ log_days: 2 }))).code, 0);
		assert.equal((await headOf(u)).floor, old);
		assert.equal((await owner('SELECT min(seq)::int AS seq FROM dapur.event WHERE sppg_id = $1',
		    [u.id])).rows[0].seq, old + 1);
		/* Redis has no such age: what it still knows it may still tell. Without it: */
		await client.del(`dapur:{${u.id}}:log`);
		for (const feed of await openAll(d, { after: `${epoch}.${old - 1}` }))
			assert.equal((await feed.next('reset')).reason, 'TOO_OLD', feed.carrier);
		const good = await openAll(d, { after: `${epoch}.${old}` });
		assert.deepEqual(await allHaveAll(good, u), [5, 5, 5, 5]);
		await create(d, u);
		assert.deepEqual(await allHaveAll(good, u), [6, 6, 6, 6]);
	});

	test('housekeeping: ended sessions and day-old answers are thrown away', async () => {
		const u = await makeTenant({ who: ['kepala'] });
		const d = await u.login('kepala');

		await d.post('/api/production', u.input(), { headers: { 'idempotency-key': 'x' } });
		await owner(`UPDATE dapur.idempotency SET created_at = now() - interval '25 hours'
		    WHERE sppg_id = $1`, [u.id]);
		await owner(`UPDATE dapur.session SET created_at = now() - interval '9 days',
		    expires_at = now() - interval '1 second' WHERE sppg_id = $1`, [u.id]);
		assert.equal((await once()).code, 0);
		for (const table of ['idempotency', 'session'])
			assert.equal((await owner(`SELECT count(*)::int AS n FROM dapur.${table}
			    WHERE sppg_id = $1`, [u.id])).rows[0].n, 0, table);
	});
});
