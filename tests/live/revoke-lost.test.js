/*
 * A revocation while Redis, or the relay, is away: it waits in PostgreSQL until it was told. Runs alone: parts of the
 * stack are stopped.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { connect, owner } from '../lib/db.js';
import { env } from '../lib/env.js';
import { done } from '../lib/expect.js';
import { open, openAll } from '../lib/feeds.js';
import { create } from '../lib/production.js';
import { run, start } from '../lib/proc.js';
import { redis } from '../lib/redis.js';
import { alive, freeze, service } from '../lib/services.js';
import { settings } from '../lib/settings.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { until, within } from '../lib/wait.js';

/* Far less than the heartbeat's 20 s, or than a cached session's minutes. */
const SOON = 8_000;
/* Reconnecting to Redis, and another relay's lease, included. */
const LATER = 15_000;
const keyOf = (client) => `dapur:session:${createHash('sha256').update(client.token).digest('hex')}`;
const untold = async (t) => (await owner(`SELECT FROM dapur.session_stale
    WHERE sppg_id = $1 AND told_at IS NULL`, [t.id])).rowCount;
const disable = (t) => owner('UPDATE dapur.person SET active = false WHERE (sppg_id, id) = ($1, $2)',
    [t.id, t.people.kepala.id]);
const end = (feeds, ms) => Promise.all(feeds.map(async (feed) => {
	assert.equal((await feed.next('disconnect', ms)).code, 'UNAUTHORIZED', feed.carrier);
	await within(SOON, `end of the ${feed.carrier}`, feed.closed);
}));

const relay = () => start('dapur-relay', ['-c', env.DAPUR_CONF], { ...process.env });
const stopped = async (child) => {
	child.kill();
	assert.deepEqual(await within(LATER, 'end of a relay', child.exited), { code: 0, signal: null });
};

suite('revocation that nobody heard', { exclusive: true }, () => {
	test('log-out while Redis is away, and it comes back with its data: every feed ends', async () => {
		const t = await makeTenant({ who: ['kepala', 'dapur'] });
		const c = await t.login('kepala');
		const other = await open('SSE', await t.login('dapur'));
		const feeds = await openAll(c);
		const client = await redis();
		const key = keyOf(c);
		const line = await client.get(key);

		assert.match(line, new RegExp(t.id), 'it is not cached');
		await client.save();
		await service('stop', 'redis');
		done(await c.delete('/api/session'));
		assert.equal(await untold(t), 1);
		await service('start', 'redis');
		await end(feeds, LATER);
		await until('the mark', async () => await client.get(key) === '-');
		await until('the row told', async () => await untold(t) === 0, LATER);
		const p = await create(await t.login('dapur'), t);
		await other.next((f) => f.productionId === p.id, LATER);
	});

	test('nobody relays: it waits; --once tells it', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const feeds = await openAll(await t.login('kepala'));

		await service('stop', 'relay');
		await disable(t);
		assert.equal(await untold(t), 1);
		assert.deepEqual(feeds.filter((f) => f.carrier !== 'long poll' && f.ended), []);
		const r = await run('dapur-relay', ['-c', env.DAPUR_CONF, '--once']);
		assert.equal(r.code, 0, r.stderr);
		assert.match(r.stderr + r.stdout, new RegExp(`event=revoked\\b.*${t.id}`));
		assert.equal(await untold(t), 0);
		await end(feeds, SOON);
	});

	/* Where the relay waits for a lock of this backend. */
	const waits = (holder) => until('the relay\'s wait', async () => (await owner(`SELECT pid FROM pg_stat_activity
	    WHERE application_name = 'dapur-relay' AND $1 = any (pg_blocking_pids(pid))`, [holder.processID])).rows[0]);

	test('the relay is killed before it told: the next one tells', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const feeds = await openAll(await t.login('kepala'));
		const holder = await connect(env.DATABASE_URL);

		await service('stop', 'relay');
		const first = relay();
		await holder.query('BEGIN; LOCK TABLE dapur.session_stale IN ACCESS EXCLUSIVE MODE');
		await holder.query(`UPDATE dapur.person SET active = false WHERE sppg_id = '${t.id}'`);
		await waits(holder);
		first.kill('SIGKILL');
		await first.exited;
		await holder.query('COMMIT');
		assert.equal(await untold(t), 1);
		const second = relay();
		await end(feeds, LATER);
		await until('the row told', async () => await untold(t) === 0);
		await stopped(second);
	});

	test('the relay is killed after it told, before it noted so: the next one tells again', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const feeds = await openAll(c);
		const holder = await connect(env.DATABASE_URL);
		const client = await redis();
		const line = await client.get(keyOf(c));

		await service('stop', 'relay');
		await disable(t);
		await holder.query(`BEGIN; SELECT FROM dapur.session_stale WHERE sppg_id = '${t.id}' FOR UPDATE`);
		const first = relay();
		await end(feeds, LATER);
		const { pid } = await waits(holder);
		first.kill('SIGKILL');
		await first.exited;
		process.kill(pid);
		await until('the end of its backend', () => !alive(pid));
		await holder.query('ROLLBACK');
		assert.equal(await untold(t), 1);
		await client.set(keyOf(c), line, 'EX', 60);
		const second = relay();
		await until('the mark', async () => await client.get(keyOf(c)) === '-', LATER);
		await until('the row told', async () => await untold(t) === 0);
		await stopped(second);
	});

	test('a relay that is frozen keeps nothing from the next one', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const feeds = await openAll(await t.login('kepala'));

		await service('stop', 'relay');
		const first = relay();
		await until('its turn', async () => await (await redis()).exists('dapur:relay:marker') === 1);
		const thaw = freeze([first.pid]);
		await disable(t);
		const second = relay();
		await end(feeds, LATER);
		thaw();
		for (const child of [first, second])
			await stopped(child);
	});

	test('Redis forgets what it was told, and has the old line back: it is told again', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const key = keyOf(c);
		const client = await redis();
		const line = await client.get(key);

		await service('start', 'relay');
		done(await c.delete('/api/session'));
		assert.equal(await client.get(key), '-');
		await until('the row told', async () => await untold(t) === 0);
		/* as a Redis does that comes back with data of a while ago */
		await client.multi().set(key, line, 'EX', 60).del('dapur:relay:marker').exec();
		await until('the mark', async () => await client.get(key) === '-', LATER);
	});

	test('told rows go after a while, and without Redis all do', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const rows = async () => (await owner('SELECT FROM dapur.session_stale WHERE sppg_id = $1',
		    [t.id])).rowCount;
		const once = async (conf) => assert.equal((await run('dapur-relay', ['-c', conf, '--once'])).code, 0);
		const none = settings({ redis: 'none' });

		await t.login('kepala');
		await service('stop', 'relay');
		await disable(t);
		await once(none);
		assert.equal(await rows(), 1);
		await once(env.DAPUR_CONF);
		assert.equal(await rows(), 1, 'kept for a while');
		await owner("UPDATE dapur.session_stale SET told_at = now() - interval '1 hour' WHERE sppg_id = $1", [t.id]);
		await once(none);
		assert.equal(await rows(), 0);
		await owner(`INSERT INTO dapur.session_stale (sppg_id, token_hash, at)
		    VALUES ($1, repeat('0', 64), now() - interval '2 days')`, [t.id]);
		await once(none);
		assert.equal(await rows(), 0);
		await service('start', 'relay');
	});
});
