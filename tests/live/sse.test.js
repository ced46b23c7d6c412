/* Server-Sent Events: what stands on the wire, many streams in one process, and none of them left behind. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { before, test } from 'node:test';
import { EventSource } from 'eventsource';
import { Client } from '../lib/client.js';
import { env } from '../lib/env.js';
import { done, refused } from '../lib/expect.js';
import { RawSse, dial, open } from '../lib/feeds.js';
import { allHaveAll, hasAll, headOf, relayed } from '../lib/log.js';
import { create } from '../lib/production.js';
import { redis } from '../lib/redis.js';
import { workers } from '../lib/services.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { until, within } from '../lib/wait.js';

const MANY = 150;
const descriptors = () => workers('events')
	.reduce((n, pid) => n + readdirSync(`/proc/${pid}/fd`).length, 0);

suite('Server-Sent Events', () => {
	let t, c;

	before(async () => {
		t = await makeTenant({ who: ['kepala'] });
		c = await t.login('kepala');
		await create(c, t);
	});

	test('the answer: an event stream that nobody keeps or holds back', async () => {
		const feed = await open('SSE', c);

		assert.equal(feed.status, 200);
		assert.match(feed.headers['content-type'], /^text\/event-stream\b/);
		assert.match(feed.headers['cache-control'], /no-cache|no-store/);
		assert.match(feed.headers['x-request-id'], /^[\x21-\x7e]{8,128}$/);
		assert.equal(feed.headers['x-content-type-options'], 'nosniff');
		assert.ok(!('content-encoding' in feed.headers) && !('content-length' in feed.headers));
	});

	test('the wire: retry first; events without a name, with id; other frames named', async () => {
		const { epoch, seq } = await headOf(t);
		const feed = await open('SSE', c, { after: `${epoch}.${seq - 1}` });
		const p = await create(c, t);

		await feed.next((f) => f.productionId === p.id);
		const [retry, connected, ...events] = feed.blocks;
		assert.deepEqual(Object.keys(retry), ['retry']);
		assert.ok(Number(retry.retry) >= 500 && Number(retry.retry) <= 10_000, retry.retry);
		assert.equal(connected.event, 'connected');
		assert.equal(connected.id, `${epoch}.${seq - 1}`);
		assert.deepEqual(events.map((b) => b.event), [undefined, undefined]);
		assert.deepEqual(events.map((b) => b.id), [`${epoch}.${seq}`, `${epoch}.${seq + 1}`]);
		for (const block of events)
			assert.equal(JSON.parse(block.data).position, block.id);
	});

	test('a reset moves the id, so that the browser comes back from the head', async () => {
		const feed = await open('SSE', c, { after: 'zzzz.7' });
		const frame = await feed.next('reset');
		const block = feed.blocks.find((b) => b.event === 'reset');

		assert.equal(block.id, frame.head);
		const browser = await open('EventSource', c, { after: 'zzzz.7' });
		await browser.next('reset');
		assert.equal(browser.ids.at(-1), frame.head);
	});

	test('an event larger than a FastCGI record, and any character, arrive whole', async () => {
		const feed = await open('SSE', c);
		const browser = await open('EventSource', c);
		const photos = Array.from({ length: 20 }, (_, n) => `https://x.test/${n}/${'p'.repeat(480)}`);
		const p = await create(c, t, { notes: '\u2028\u2029\u{1f35b}\r\nid: 1\n\ndata: x\n\u00a0"\\' });

		await c.patch(`/api/production/${p.id}`, { photos, notes: '\u{1f35b}'.repeat(2000) });
		await allHaveAll([feed, browser], t);
		assert.equal(feed.events.length, 2);

		const big = JSON.stringify({ type: 'note', data: 'x'.repeat(65_000) });
		await (await redis()).publish(`production:updates:${t.id}`, big);
		for (const each of [feed, browser]) {
			const frame = await each.next('note');
			assert.equal(each.lines[each.frames.indexOf(frame)], big);
		}
	});

	test('refused: status 200, one disconnect, the end; EventSource is told and stays away', async () => {
		for (const [who, options, code] of [
			[null, {}, 'UNAUTHORIZED'], [null, { cookie: `dapur_session=${'A'.repeat(43)}` }, 'UNAUTHORIZED'],
			[null, { token: 'forged' }, 'UNAUTHORIZED'], [c, { origin: 'https://evil.example' }, 'CROSS_SITE'],
			[c, { headers: { 'sec-fetch-site': 'cross-site' } }, 'CROSS_SITE'],
		]) {
			const feed = dial('SSE', who, options);
			await within(15_000, 'the end', feed.closed);
			assert.equal(feed.status, 200);
			assert.match(feed.headers['content-type'], /^text\/event-stream\b/);
			const said = feed.blocks.filter((b) => 'data' in b);
			assert.deepEqual(said.map((b) => b.event), ['disconnect'], feed.lines.join('\n'));
			assert.ok(!('id' in said[0]));
			assert.deepEqual([feed.frames[0].code, feed.frames[0].reconnect], [code, false]);
			const retries = feed.blocks.filter((b) => 'retry' in b).map((b) => Number(b.retry));
			assert.ok(retries.at(-1) >= 10_000, 'one that does not look at the frame comes back seldom');
		}
		const source = new EventSource(`${env.URL}/api/events`);
		const frame = await within(15_000, 'disconnect', new Promise((resolve) => {
			source.addEventListener('disconnect', (event) => resolve(JSON.parse(event.data)));
		}));
		source.close();
		assert.equal(frame.code, 'UNAUTHORIZED');
	});

	test('HEAD: the headers and nothing; other methods: 405', async () => {
		const feed = dial('SSE', c, { method: 'HEAD' });
		await within(15_000, 'the end', feed.closed);
		assert.equal(feed.status, 200);
		assert.match(feed.headers['content-type'], /^text\/event-stream\b/);
		assert.deepEqual([feed.blocks, feed.rest], [[], '']);
		for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
			const r = await c.request(method, '/api/events');
			refused(r, 405, 'METHOD_NOT_ALLOWED');
			assert.match(r.headers.allow, /\bGET\b/);
		}
	});

	test('the one-time token and Authorization: Bearer open it without a cookie', async () => {
		const { token } = done(await c.get('/api/ws'));
		const feeds = [await open('SSE', null, { token }),
		    await open('SSE', null, { headers: { authorization: `Bearer ${c.token}` } })];

		assert.equal(feeds[0].connected.user.id, t.people.kepala.id);
		await create(c, t);
		await allHaveAll(feeds, t);
	});

	test('what another program publishes arrives as it is, without an id', async () => {
		const feed = await open('SSE', c);
		const text = JSON.stringify({ type: 'menu_note', data: { x: 1 } });

		await (await redis()).publish(`menu:updates:${t.id}`, text);
		await feed.next('menu_note');
		assert.deepEqual(feed.blocks.at(-1), { data: text });
	});

	test(`${MANY} streams of three kitchens in one process; gone ones leave no descriptor`, async () => {
		const kitchens = [t, await makeTenant({ who: ['kepala'] }), await makeTenant({ who: ['kepala'] })];
		const clients = await Promise.all(kitchens.map((k) => k.login('kepala')));
		for (const k of kitchens)
			await relayed(await redis(), k); /* else a feed opened now counts their making, too */
		await (await open('SSE', c)).close();
		const [pid] = workers('events');
		const before = descriptors();

		const feeds = await Promise.all(Array.from({ length: MANY },
		    (_, n) => open('SSE', clients[n % 3]).then((feed) => ({ feed, n: n % 3 }))));
		assert.deepEqual(workers('events'), [pid], 'one process');
		assert.ok(descriptors() >= before + MANY);
		await Promise.all(Array.from({ length: 15 }, (_, n) => create(clients[n % 3], kitchens[n % 3])));
		const counts = await Promise.all(feeds.map(({ feed, n }) => hasAll(feed, kitchens[n])));
		assert.deepEqual(counts, feeds.map(() => 5));
		for (const { feed, n } of feeds)
			for (const other of kitchens.filter((k) => k !== kitchens[n]))
				assert.ok(!feed.lines.some((line) => line.includes(other.mark)));

		for (const [n, { feed }] of feeds.entries())
			if (n % 2)
				feed.request.destroy();	/* in the middle of anything */
			else
				feed.response.destroy();
		await until('the descriptors back', () => descriptors() <= before + 4);
		assert.deepEqual(workers('events'), [pid]);
	});

	test('clients that leave before they are connected leave nothing either', async () => {
		const before = descriptors();

		for (let n = 0; n < 30; n++) {
			const feed = new RawSse(n % 2 ? c : new Client(), {});
			if (n % 3)
				feed.answered.then(() => feed.request.destroy(), () => {});
			else
				setImmediate(() => feed.request.destroy());
			await within(15_000, 'end', feed.closed);
		}
		await until('the descriptors back', () => descriptors() <= before + 4);
		const feed = await open('SSE', c);
		const p = await create(c, t);
		await feed.next((f) => f.productionId === p.id);
	});
});
