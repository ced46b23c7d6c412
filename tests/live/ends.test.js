/*
 * Ends, wanted and not: a request in hand is finished, feeds are told when to
 * come back, whatever is killed comes back and nothing is lost. Runs alone.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { before, test } from 'node:test';
import { promisify } from 'node:util';
import { connect } from '../lib/db.js';
import { env } from '../lib/env.js';
import { done, written } from '../lib/expect.js';
import { carriers, open, openAll } from '../lib/feeds.js';
import { allHaveAll, hasAll, headOf, logOf } from '../lib/log.js';
import { pidOf } from '../lib/proc.js';
import { create } from '../lib/production.js';
import { alive, service, workers } from '../lib/services.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { until, within } from '../lib/wait.js';

/* A restart is spread over 5 s. */
const BACK = 30_000;

suite('ends', { exclusive: true }, () => {
	let t, c;

	before(async () => {
		t = await makeTenant({ who: ['kepala'] });
		c = await t.login('kepala');
	});
	const signal = (pids, name) => pids.forEach((pid) => process.kill(pid, name));
	const renewed = (name, old) => until(`new processes of ${name}`, () => {
		const now = workers(name);
		return old.every((pid) => !alive(pid)) && now.length >= old.length;
	}, BACK);
	/* The feeds that do not come back by themselves, opened anew from where they were. */
	const again = (feeds) => Promise.all(feeds.map((feed) => open(feed.carrier, c, { after: feed.at })));
	const once = async (parts) => {
		const got = parts.flatMap((feed) => feed.events.map((f) => f.seq));
		const from = Number(parts[0].connected.position.split('.')[1]);
		assert.deepEqual(got, (await logOf(t, from)).map((row) => row.seq), parts[0].carrier);
	};

	test('SIGTERM to the workers of the actions: the request in hand is finished and published', async () => {
		const p = await create(c, t);
		const feed = await open('WebSocket', c);
		const lock = await connect(env.DATABASE_URL);
		const old = workers('api');

		await lock.query('BEGIN');
		await lock.query('SELECT 1 FROM dapur.production WHERE sppg_id = $1 AND id = $2 FOR UPDATE', [t.id, p.id]);
		const answer = c.patch(`/api/production/${p.id}`, { notes: 'in hand' });
		await until('the request to wait for the row', async () => (await lock.query(
		    `SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'`)).rows.length > 0);
		signal(old, 'SIGTERM');
		await until('the idle workers to end', () => old.filter(alive).length === 1, BACK);
		await lock.query('COMMIT');
		assert.equal(written(await answer).notes, 'in hand');
		await renewed('api', old);
		assert.equal(await hasAll(feed, t), 1);
		done(await c.get('/api/production'));
	});

	test('all workers replaced one after the other, under load: not one request fails', async () => {
		const feeds = await openAll(c);
		let running = true, n = 0;
		const load = Promise.all(Array.from({ length: 3 }, async () => {
			for (; running; n++)
				await create(c, t);
		}));

		for (const pid of workers('api')) {
			const made = n;
			process.kill(pid, 'SIGTERM');
			await until('the worker to end', () => !alive(pid), BACK);
			await until('writes', () => n > made + 2);
		}
		running = false;
		await load;
		await allHaveAll(feeds, t);
		await Promise.all(feeds.map((feed) => feed.close()));
	});

	test('kill -9 of the pool\'s supervisor: its workers end when the pool is started again', async () => {
		const old = workers('api');

		process.kill(pidOf('api'), 'SIGKILL');
		await service('start', 'api');
		await until('the workers of before to end', () => !old.some(alive), BACK);
		done(await c.get('/api/production'));
	});

	test('SIGTERM to events.fcgi: reconnect, a spread, waiting pages answered; all resume', async () => {
		const [raw, browser, poll] = await Promise.all(carriers.slice(1).map((carrier) => open(carrier, c)));
		const old = workers('events');
		const { position: after } = await headOf(t);
		const descriptors = () => readdirSync(`/proc/${old[0]}/fd`).length;
		const held = descriptors();
		const from = performance.now();
		const waiting = c.get(`/api/events?after=${after}&wait=20`);

		await until('the page to wait', () => descriptors() > held);
		signal(old, 'SIGTERM');
		const { afterMs } = await raw.next('reconnect');
		assert.ok(Number.isInteger(afterMs) && afterMs >= 0 && afterMs <= 5_000, String(afterMs));
		const said = raw.blocks.filter((b) => 'retry' in b).at(-1);
		assert.ok(Number(said.retry) >= afterMs && Number(said.retry) <= afterMs + 2_000, 'EventSource knows, too');
		await within(BACK, 'the end', raw.closed);
		assert.equal(raw.frames.at(-1).type, 'reconnect');
		assert.deepEqual(done(await waiting), []);
		assert.ok(performance.now() - from < 15_000, 'it did not wait to the end');
		await browser.next('reconnect');
		for (let n = 0; n < 4; n++)
			await create(c, t);
		await renewed('events', old);
		await browser.next('connected', BACK);
		const [next] = await again([raw]);
		await create(c, t);
		await allHaveAll([browser, poll, next], t, { ms: BACK, after });
		await once([raw, next]);
		await Promise.all([browser, poll, next].map((feed) => feed.close()));
	});

	test('websocketd is stopped as its unit says: reconnect with a spread, then the end; it resumes', async () => {
		const before = workers('websocketd');
		const feeds = await Promise.all(Array.from({ length: 6 }, () => open('WebSocket', c)));
		const streams = workers('websocketd').filter((pid) => !before.includes(pid));

		assert.equal(streams.length, 6);
		const unit = readFileSync(new URL('../../etc/systemd/dapur-websocketd.service', import.meta.url), 'utf8');
		const [, stop] = unit.match(/^ExecStop=-\/bin\/sh -c '(.*)'$/m);
		await promisify(execFile)('/bin/sh', ['-c', stop.replaceAll('$MAINPID', pidOf('websocketd')).replaceAll('$$', '$')]);
		assert.deepEqual(streams.filter(alive), [], 'it waits until they have gone');
		const spread = [];
		for (const feed of feeds) {
			spread.push((await feed.next('reconnect')).afterMs);
			await within(BACK, 'the end', feed.closed);
			assert.equal(feed.frames.at(-1).type, 'reconnect');
		}
		assert.ok(spread.every((ms) => Number.isInteger(ms) && ms >= 0 && ms <= 5_000), String(spread));
		assert.ok(new Set(spread).size > 1, `all at once: ${spread}`);
		await create(c, t);
		const next = await again(feeds);
		await create(c, t);
		await allHaveAll(next, t);
		for (const [n, feed] of feeds.entries())
			await once([feed, next[n]]);
		await Promise.all(next.map((feed) => feed.close()));
	});

	const killed = [
		['every dapur-stream', () => workers('websocketd'), ['WebSocket']],
		['events.fcgi', () => workers('events'), ['SSE', 'EventSource', 'long poll']],
	];
	for (const [what, which, concerned] of killed)
		test(`kill -9 of ${what}: its clients come back and miss nothing; others do not notice`, async () => {
			const feeds = await openAll(c);
			const pids = which();

			await create(c, t);
			await allHaveAll(feeds, t);
			signal(pids, 'SIGKILL');
			await create(c, t);
			for (const feed of feeds.filter((f) => ['WebSocket', 'SSE'].includes(f.carrier)
			    && concerned.includes(f.carrier)))
				await within(BACK, 'the end', feed.closed);
			if (concerned.includes('SSE'))
				await renewed('events', pids);
			const gone = feeds.filter((feed) => feed.ended);
			assert.deepEqual(gone.map((feed) => feed.carrier), concerned.filter((k) => ['WebSocket', 'SSE'].includes(k)));
			const next = await again(gone);
			await create(c, t);
			await allHaveAll([...feeds.filter((feed) => !feed.ended), ...next], t, { ms: BACK });
			for (const [n, feed] of gone.entries())
				await once([feed, next[n]]);
			await Promise.all([...feeds, ...next].map((feed) => (feed.ended ? undefined : feed.close())));
		});

	test('websocketd restarted, and each service after it: nobody misses anything', async () => {
		const feeds = (await openAll(c)).map((feed) => [feed]);
		const current = () => feeds.map((parts) => parts.at(-1));

		for (const name of ['websocketd', 'events', 'relay', 'api', 'nginx', 'redis']) {
			await create(c, t);
			await service('restart', name);
			await until('the actions', async () => (await c.get('/api/ready', { check: false })).status === 200, BACK);
			await create(c, t);
			for (const parts of feeds) {
				const last = parts.at(-1);
				if (['websocketd', 'nginx', 'events'].includes(name) && ['WebSocket', 'SSE'].includes(last.carrier)
				    && !(name === 'websocketd' && last.carrier === 'SSE')
				    && !(name === 'events' && last.carrier === 'WebSocket')) {
					await within(BACK, `end of the ${last.carrier}`, last.closed);
					parts.push(await open(last.carrier, c, { after: last.at }));
				}
			}
		}
		await create(c, t);
		const head = await headOf(t);
		await until('the last event everywhere', () => current().every((feed) => feed.at === head.position), BACK);
		for (const parts of feeds)
			await once(parts);
	});
});
