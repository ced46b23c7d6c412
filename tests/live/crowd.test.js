/*
 * A kitchen that opens more feeds than it may: the next one is refused, those
 * that are open stay, other kitchens do not feel it. Runs alone, since
 * events.fcgi has settings of its own meanwhile.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { env } from '../lib/env.js';
import { done, refused } from '../lib/expect.js';
import { dial, open } from '../lib/feeds.js';
import { allHaveAll, headOf } from '../lib/log.js';
import { create } from '../lib/production.js';
import { service } from '../lib/services.js';
import { atEnd, suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { until, within } from '../lib/wait.js';

const MOST = 4;

suite('a crowd', { exclusive: true }, () => {
	let t, c, other;

	before(async () => {
		const file = env.DAPUR_CONF;
		const text = readFileSync(file, 'utf8');

		atEnd(async () => {
			writeFileSync(file, text);
			await service('restart', 'events');
		});
		writeFileSync(file, `${text}\nfeed_streams_tenant = ${MOST}\n`);
		await service('restart', 'events');
		[t, other] = await Promise.all([makeTenant({ who: ['kepala', 'viewer'] }), makeTenant({ who: ['kepala'] })]);
		c = await t.login('viewer');
	});
	const page = (who, query = '') => who.get(`/api/events?limit=1${query}`);

	test('streams and waiting pages count; one more is told to come later', async () => {
		const { position: after } = await headOf(t);
		const feeds = await Promise.all(Array.from({ length: MOST - 1 }, () => open('SSE', c)));
		const waiting = page(c, `&wait=20&after=${after}`);

		await until('the kitchen to be full', async () => (await page(c)).status === 429);
		const late = dial('SSE', c);
		await within(15_000, 'the end', late.closed);
		assert.equal(late.status, 200);
		const [frame] = late.frames;
		assert.deepEqual([late.frames.length, frame.type, frame.code, frame.reconnect],
		    [1, 'disconnect', 'TOO_MANY_REQUESTS', true]);
		assert.ok(late.blocks.some((b) => Number(b.retry) >= 10_000), 'EventSource comes back seldom');
		const r = await page(c);
		refused(r, 429, 'TOO_MANY_REQUESTS');
		assert.ok(Number(r.headers['retry-after']) > 0);

		/* another kitchen, and a WebSocket, which is a process of its own */
		done(await page(await other.login('kepala')));
		const more = [await open('SSE', await other.login('kepala')), await open('WebSocket', c)];
		assert.equal(more[0].connected.user.sppgId, other.id);

		await create(await t.login('kepala'), t);
		await allHaveAll([...feeds, more[1]], t);
		assert.equal(done(await waiting).length, 1);
		await open('SSE', c); /* the place of the page */
		assert.deepEqual(feeds.filter((feed) => feed.ended), []);
		await feeds[0].close();
		await until('the place of a stream', async () => (await page(c)).status === 200);
	});

	test('many at once: as many as may be, never more', async () => {
		const u = await makeTenant({ who: ['kepala'] });
		const d = await u.login('kepala');
		const feeds = Array.from({ length: 10 * MOST }, () => dial('SSE', d));
		const first = await Promise.all(feeds.map((feed) => feed.next(() => true)));
		const codes = first.map((f) => f.code ?? f.type);

		assert.equal(codes.filter((code) => code === 'connected').length, MOST);
		assert.equal(codes.filter((code) => code === 'TOO_MANY_REQUESTS').length, 9 * MOST);
	});
});
