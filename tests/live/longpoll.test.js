/* The feed as JSON pages and long polls: the way of hosts that allow neither sockets nor streams. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { before, test } from 'node:test';
import http from 'node:http';
import { done, refused } from '../lib/expect.js';
import { env } from '../lib/env.js';
import { dial } from '../lib/feeds.js';
import { headOf, logOf, relayed } from '../lib/log.js';
import { create, insertMany } from '../lib/production.js';
import { redis } from '../lib/redis.js';
import { workers } from '../lib/services.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { until, within } from '../lib/wait.js';

/* A long wait that ends early ends far below this, on any machine. */
const EARLY_MS = 10_000;
const LONG_S = 20;

suite('pages and long polls', () => {
	let t, c;

	before(async () => {
		t = await makeTenant({ who: ['kepala', 'viewer'] });
		c = await t.login('viewer');
		await insertMany(t, 25);
		await relayed(await redis(), t);
	});
	const writer = () => t.login('kepala');
	const page = (query) => c.get(`/api/events?${new URLSearchParams(query)}`);
	const timed = async (promise) => {
		const from = performance.now();
		const r = await promise;
		return [r, performance.now() - from];
	};

	test('a page without a position: nothing, and where to go on', async () => {
		const r = await page({});
		const { position: head } = await headOf(t);

		assert.deepEqual(r.body, { success: true, data: [], position: head, head });
		assert.match(r.headers['cache-control'], /no-store|no-cache/);
	});

	test('limit pages through the log: each event once, in order, the last page is short', async () => {
		const { epoch, seq } = await headOf(t);
		const log = await logOf(t);
		const got = [];
		let at = `${epoch}.0`, sizes = [];

		do {
			const r = await page({ after: at, limit: 10 });
			assert.equal(r.body.head, `${epoch}.${seq}`);
			sizes.push(done(r).length);
			got.push(...r.body.data);
			assert.equal(r.body.position, r.body.data.at(-1).position);
			at = r.body.position;
		} while (at !== `${epoch}.${seq}`);
		assert.deepEqual(got, log.map((row) => row.event));
		assert.ok(sizes.slice(0, -1).every((n) => n === 10) && sizes.at(-1) <= 10, sizes);
	});

	test('limit and wait: in their range; beyond it, and nonsense: 422 as of any action', async () => {
		const { epoch, seq } = await headOf(t);
		const after = `${epoch}.0`;
		const fault = async (query, code) => {
			const [r, ms] = await timed(page({ after, ...query }));
			const [path] = Object.keys(query);

			const faults = refused(r, 422, 'INVALID', [path]);
			assert.deepEqual(faults.map((f) => f.code), [code], JSON.stringify(query));
			assert.ok(ms < EARLY_MS, `${ms} ms`);
		};

		for (const [limit, n] of [['1', 1], ['1000', seq], ['', seq]])
			assert.equal(done(await page({ after, limit })).length, Math.min(n, seq), `limit=${limit}`);
		for (const wait of ['0', '25', ''])
			assert.equal(done(await page({ after, wait })).length, seq, `wait=${wait}`);
		for (const query of [{ limit: '0' }, { limit: '-5' }, { wait: '-3' }])
			await fault(query, 'TOO_SMALL');
		for (const query of [{ limit: '1001' }, { limit: '99999999' }, { wait: '26' }])
			await fault(query, 'TOO_LARGE');
		for (const nonsense of ['x', '1e3', ' 1', '1 ', '0x10', '1.5', '\x00', '99999999999999999999', '9'.repeat(500)])
			for (const name of ['limit', 'wait'])
				await fault({ [name]: nonsense }, 'WRONG_TYPE');
		refused(await page({ after, limit: '0', wait: 'x' }), 422, 'INVALID', ['limit', 'wait']);
		/* who may not ask is not told what was wrong with the question */
		refused(await c.get('/api/events?limit=0', { headers: { cookie: null } }), 401, 'UNAUTHORIZED');
	});

	test('a stream with such a number: one disconnect that names it', async () => {
		const feed = dial('SSE', c, { query: 'wait=99' });

		await within(15_000, 'the end', feed.closed);
		assert.equal(feed.status, 200);
		assert.deepEqual(feed.frames, [{ type: 'disconnect', code: 'INVALID',
		    message: 'wait must be at most 25', reconnect: false }]);
	});

	test('a page ends at a mebibyte, and the next one goes on', async () => {
		const u = await makeTenant({ who: ['kepala'] });
		const d = await u.login('kepala');
		const { epoch } = await headOf(u);
		const p = await create(d, u);
		for (let n = 0; n < 130; n++)
			done(await d.patch(`/api/production/${p.id}`, { notes: `${n}${'\u{1f35b}'.repeat(1990)}` }));
		const { seq } = await headOf(u);
		const seqs = [];
		let at = `${epoch}.0`, pages = 0;

		while (at !== `${epoch}.${seq}`) {
			const r = await d.get(`/api/events?after=${at}&limit=1000`);
			assert.ok(r.raw.length < 1.2 * (1 << 20), `${r.raw.length} bytes`);
			seqs.push(...done(r).map((event) => event.seq));
			at = r.body.position;
			pages++;
		}
		assert.ok(pages >= 2, 'more than a mebibyte was to come');
		assert.deepEqual(seqs, Array.from({ length: seq }, (_, n) => n + 1));
	});

	test('wait: at once when there is something', async () => {
		const { epoch, seq } = await headOf(t);
		const [r, ms] = await timed(page({ after: `${epoch}.${seq - 2}`, wait: LONG_S }));

		assert.deepEqual(done(r).map((event) => event.seq), [seq - 1, seq]);
		assert.ok(ms < EARLY_MS, `${ms} ms`);
	});

	test('wait: ends with the first event, and an event of another topic is none', async () => {
		const { position: after } = await headOf(t);
		const started = performance.now();
		const waiting = page({ after, wait: LONG_S, topics: 'production' });
		const other = page({ after, wait: 1, topics: 'menu' });
		const p = await create(await writer(), t);
		const r = await waiting;

		assert.ok(performance.now() - started < EARLY_MS);
		assert.deepEqual(done(r).map((event) => event.productionId), [p.id]);
		assert.deepEqual(done(await other), []);
	});

	test('wait: nothing came: after the wait an empty page with the same position', async () => {
		const { position: head } = await headOf(t);
		const [r, ms] = await timed(page({ after: head, wait: 1 }));

		assert.deepEqual(r.body, { success: true, data: [], position: head, head });
		assert.ok(ms >= 950 && ms < EARLY_MS, `${ms} ms`);
	});

	test('many wait at once: one event ends them all', async () => {
		const { position: after } = await headOf(t);
		const waiting = Array.from({ length: 40 }, () => page({ after, wait: LONG_S }));
		const p = await create(await writer(), t);

		for (const r of await Promise.all(waiting))
			assert.equal(done(r)[0].productionId, p.id);
	});

	test('a position of no use: reset in the page, at once also with a wait', async () => {
		const { epoch, seq, position: head } = await headOf(t);

		for (const [after, reason] of [[`${epoch}.${seq + 9}`, 'AHEAD'], ['zzzz.1', 'EPOCH'], ['x', 'INVALID']]) {
			const [r, ms] = await timed(page({ after, wait: LONG_S }));
			assert.deepEqual(r.body, { success: true, data: [], position: head, head,
			    reset: { type: 'reset', reason, head } });
			assert.ok(ms < EARLY_MS, `${ms} ms`);
		}
	});

	test('refused: as any action', async () => {
		const asked = (options) => c.get('/api/events?wait=5', options);

		refused(await asked({ headers: { cookie: null } }), 401, 'UNAUTHORIZED');
		refused(await asked({ headers: { cookie: `dapur_session=${'A'.repeat(43)}` } }), 401, 'UNAUTHORIZED');
		refused(await asked({ origin: 'https://evil.example' }), 403, 'CROSS_SITE');
		refused(await asked({ headers: { 'sec-fetch-site': 'cross-site' } }), 403, 'CROSS_SITE');
		refused(await c.get('/api/events?wait=5&token=forged'), 401, 'UNAUTHORIZED');
		const problem = await asked({ headers: { cookie: null, accept: 'application/problem+json' } });
		assert.match(problem.headers['content-type'], /^application\/problem\+json/);
		assert.deepEqual([problem.body.status, problem.body.code], [401, 'UNAUTHORIZED']);
	});

	test('HEAD: the headers of the page, no body', async () => {
		const r = await c.head('/api/events?limit=1');

		assert.equal(r.status, 200);
		assert.ok(Number(r.headers['content-length']) > 0);
		assert.equal(r.text, '');
	});

	test('messages of other programs end no wait and stand in no page', async () => {
		const { position: after } = await headOf(t);
		const waiting = page({ after, wait: 2 });
		const client = await redis();

		for (let n = 0; n < 5; n++)
			await client.publish(`production:updates:${t.id}`, '{"type":"note","data":1}');
		assert.deepEqual(done(await waiting), []);
	});

	test('who stops waiting is forgotten: no descriptor stays', async () => {
		const [pid] = workers('events');
		const descriptors = () => readdirSync(`/proc/${pid}/fd`).length;
		const before = descriptors();
		const { position: after } = await headOf(t);
		const requests = Array.from({ length: 20 }, () => {
			const request = http.get(`${env.URL}/api/events?wait=25&after=${after}`,
			    { agent: false, headers: { cookie: c.cookie, accept: 'application/json' } });
			request.on('error', () => {});
			return request;
		});

		await until('20 waiting', () => descriptors() >= before + 20);
		for (const request of requests)
			request.destroy();
		await until('the descriptors back', () => descriptors() <= before + 2);
		await within(15_000, 'a page', page({ after }));
	});
});
