/* An Idempotency-Key acts once, although the worker or the client dies in the middle of the first try. Runs alone. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { test } from 'node:test';
import { connect, owner } from '../lib/db.js';
import { env, origin } from '../lib/env.js';
import { written } from '../lib/expect.js';
import { openAll } from '../lib/feeds.js';
import { allHaveAll, headOf, logOf } from '../lib/log.js';
import { create, read } from '../lib/production.js';
import { alive, workers } from '../lib/services.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { until } from '../lib/wait.js';

const keyed = (key) => ({ headers: { 'idempotency-key': key } });

/* Ask until it is neither "away" nor "still running". */
async function insist(send)
{
	return until('an answer', async () => {
		const r = await send();
		assert.ok([200, 201, 409, 503].includes(r.status), r.text);
		return r.status < 300 && r;
	}, 30_000);
}

suite('acts once', { exclusive: true }, () => {
	const killAll = async () => {
		const old = workers('api');
		for (const pid of old)
			process.kill(pid, 'SIGKILL');
		await until('new workers', () => !old.some(alive) && workers('api').length === old.length);
	};
	/* Someone holds a row; whoever wants it stands in the middle of its transaction. */
	const hold = async (text, values) => {
		const lock = await connect(env.DATABASE_URL);
		await lock.query('BEGIN');
		await lock.query(text, values);
		return {
			wanted: () => until('somebody to wait for the row', async () => (await lock.query(
			    'SELECT 1 FROM pg_locks WHERE NOT granted')).rows.length > 0),
			end: () => lock.query('COMMIT'),
		};
	};

	test('kill -9 of the worker in the middle of a write, then the retry: one event, one answer', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const feeds = await openAll(c);

		for (const what of ['before the COMMIT', 'while others wait', 'again']) {
			const p = await create(c, t);
			const { seq } = await headOf(t);
			const key = randomUUID();
			const send = () => c.patch(`/api/production/${p.id}`, { notes: what }, keyed(key));
			const row = await hold('SELECT 1 FROM dapur.production WHERE sppg_id = $1 AND id = $2 FOR UPDATE',
			    [t.id, p.id]);

			const first = send();
			await row.wanted();
			await killAll();
			assert.equal((await first).status, 503, 'the web server says so');
			await row.end();
			const r = await insist(send);
			assert.equal(written(r).notes, what);
			const log = await logOf(t, seq);
			assert.deepEqual(log.map((e) => e.event.type), ['production_updated']);
			assert.equal(r.body.position, log[0].event.position);
			const replay = await send();
			assert.ok(replay.raw.equals(r.raw));
			assert.equal(replay.headers['idempotency-replayed'], 'true');
			assert.equal((await read(c, p.id)).version, p.version + 1);
		}
		await allHaveAll(feeds, t);
	});

	test('creates under kill -9 of all workers again and again: each key once, every event at every feed', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const feeds = await openAll(c);
		const keys = [];
		let running = true;

		const writers = Promise.all(Array.from({ length: 4 }, async () => {
			while (running) {
				const key = randomUUID();
				const first = await insist(() => c.post('/api/production', t.input({ notes: key }), keyed(key)));
				keys.push({ key, id: written(first, 201).id });
			}
		}));
		for (let n = 0; n < 5; n++) {
			const made = keys.length;
			await killAll();
			await until('writes', () => keys.length > made + 3);
		}
		running = false;
		await writers;
		const { rows } = await owner('SELECT id, notes FROM dapur.production WHERE sppg_id = $1', [t.id]);
		assert.deepEqual(rows.map((row) => `${row.notes} ${row.id}`).sort(),
		    keys.map(({ key, id }) => `${key} ${id}`).sort());
		await allHaveAll(feeds, t);
	});

	test('the client went away before the answer: its retry gets that answer', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const p = await create(c, t);
		const key = randomUUID();
		const body = JSON.stringify({ notes: 'gone' });
		const row = await hold('SELECT 1 FROM dapur.production WHERE sppg_id = $1 AND id = $2 FOR UPDATE',
		    [t.id, p.id]);

		const request = http.request(`${env.URL}/api/production/${p.id}`, { method: 'PATCH', agent: false,
		    headers: { cookie: c.cookie, origin, 'content-type': 'application/json', 'idempotency-key': key,
			'content-length': Buffer.byteLength(body) } });
		request.on('error', () => {});
		request.end(body);
		await row.wanted();
		request.destroy();
		await row.end();
		const r = await insist(() => c.patch(`/api/production/${p.id}`, { notes: 'gone' }, keyed(key)));
		assert.equal(written(r).notes, 'gone');
		assert.equal((await read(c, p.id)).version, p.version + 1);
	});

	test('the same key at once while the first is held: 409, then its answer to all, byte for byte', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const p = await create(c, t);
		const { seq } = await headOf(t);
		const key = randomUUID();
		const send = () => c.patch(`/api/production/${p.id}/status`, { status: 'PREPARING' }, keyed(key));
		const row = await hold('SELECT 1 FROM dapur.production WHERE sppg_id = $1 AND id = $2 FOR UPDATE',
		    [t.id, p.id]);

		const first = send();
		await row.wanted();
		const others = await Promise.all(Array.from({ length: 4 }, send));
		assert.ok(others.every((r) => [409, 503].includes(r.status)), others.map((r) => r.text).join('\n'));
		assert.ok(others.some((r) => r.status === 409));
		await row.end();
		const r = await first;
		const answers = await Promise.all(Array.from({ length: 16 }, () => insist(send)));
		if (r.status === 200)
			answers.push(r);
		for (const answer of answers)
			assert.ok(answer.raw.equals(answers[0].raw));
		assert.equal((await headOf(t)).seq, seq + 1);
	});

	test('If-Match with a key: the replay is the first answer, not 412', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const p = await create(c, t);
		const send = () => c.patch(`/api/production/${p.id}`, { notes: 'x' },
		    { headers: { 'idempotency-key': 'v', 'if-match': `"v${p.version}"` } });
		const first = await send();

		written(first);
		assert.ok((await send()).raw.equals(first.raw));
		/* Of many with the same version one wins, whatever their keys. */
		const version = first.body.data.version;
		const all = await Promise.all(Array.from({ length: 8 }, (_, n) => c.patch(`/api/production/${p.id}`,
		    { notes: `n ${n}` }, { headers: { 'idempotency-key': randomUUID(), 'if-match': `"v${version}"` } })));
		assert.deepEqual(all.map((r) => r.status).sort(), [200, ...Array(7).fill(412)]);
	});
});
