/*
 * A client that does not read: little is held for it, its neighbours do not
 * feel it, it is told, and it resumes from its position.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { eventsAlone, openAlone, streamAlone } from '../lib/alone.js';
import { owner } from '../lib/db.js';
import { position } from '../lib/expect.js';
import { open } from '../lib/feeds.js';
import { hasAll, headOf, logOf, relayed } from '../lib/log.js';
import { create, insertMany } from '../lib/production.js';
import { redis } from '../lib/redis.js';
import { alive, workers } from '../lib/services.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { until, within } from '../lib/wait.js';

const ROWS = 100;
const BURSTS = 5;
const MINUTE = 60_000;

/* ROWS events of some 10 KiB, in one transaction of a foreign writer. */
async function burst(t, n)
{
	await owner(`UPDATE dapur.production SET notes = $2 || repeat(chr(127835), 1990)
	    WHERE sppg_id = $1`, [t.id, String(n)]);
}

/* What a client got over several connections: the log from its first position, each event once. */
async function gotOnce(feeds, t)
{
	const got = feeds.flatMap((feed) => feed.events);
	const log = await logOf(t, position(feeds[0].connected.position).seq);

	assert.deepEqual(got.map((f) => f.seq), log.map((row) => row.seq));
	assert.deepEqual(got, log.map((row) => row.event));
}

/* The most a process had, in KiB; 0 when it is gone. */
function memory(pid)
{
	try {
		return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
	} catch {
		return 0;
	}
}

suite('a slow reader', () => {
	for (const [what, begin] of [['dapur-stream', streamAlone], ['events.fcgi', eventsAlone]])
		test(`${what}: holds at most its queue, says SLOW_CONSUMER, resumes exactly`, async () => {
			const t = await makeTenant({ who: ['kepala'] });
			const c = await t.login('kepala');
			await insertMany(t, ROWS);
			const [feed] = (await openAlone(c)).filter((f) => f.carrier.startsWith(what));
			const before = memory(feed.child.pid);

			feed.pause();
			let peak = before;
			const watch = setInterval(() => { peak = Math.max(peak, memory(feed.child.pid)); }, 20);
			for (let n = 0; n < BURSTS; n++)	/* some MiB, of which a pipe takes 64 KiB */
				await burst(t, n);
			await until('the end of a stream that nobody reads', () => !alive(feed.child.pid), MINUTE);
			clearInterval(watch);
			if (!process.env.ASAN_OPTIONS)	/* which keeps what was freed */
				assert.ok(before > 0 && peak - before < 3 * 1024, `${before} KiB grew to ${peak} KiB`);
			feed.resume();
			await within(MINUTE, 'the end', feed.closed);
			assert.ok(feed.events.length < BURSTS * ROWS, 'it read everything after all');

			const again = begin(c, { after: feed.at });
			again.connected = await again.next(() => true);
			await hasAll(again, t, { ms: MINUTE });
			await gotOnce([feed, again], t);
			await again.close();
		});

	test('one that reads again in time is told SLOW_CONSUMER with reconnect, and misses nothing', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		await insertMany(t, ROWS);
		const feeds = await openAlone(c);

		for (const feed of feeds)
			feed.pause();
		await burst(t, 'all');
		const from = performance.now();
		/* Two seconds with a full queue and no read are too slow; two more are there for the last word. */
		await until('three seconds', () => performance.now() - from > 3_000);
		for (const feed of feeds) {
			feed.resume();
			await within(MINUTE, 'the end', feed.closed);
			const last = feed.frames.at(-1);
			assert.deepEqual([last.type, last.code, last.reconnect], ['disconnect', 'SLOW_CONSUMER', true],
			    feed.carrier);
			const again = (feed.carrier.startsWith('dapur') ? streamAlone : eventsAlone)(c, { after: feed.at });
			again.connected = await again.next(() => true);
			await hasAll(again, t, { ms: MINUTE });
			await gotOnce([feed, again], t);
			await again.close();
		}
	});

	test('one that reads slowly, but reads, is served to the end', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		await insertMany(t, ROWS);
		await relayed(await redis(), t); /* else a feed opened now counts these, too */
		const feeds = await openAlone(c);

		for (const feed of feeds) {
			/* A piece, then a breath, as a slow line has it. */
			feed.child.stdout.on('data', () => {
				feed.pause();
				setTimeout(feed.resume, 25);
			});
		}
		await burst(t, 'drip');
		for (const feed of feeds)
			assert.equal(await hasAll(feed, t, { ms: MINUTE }), ROWS);
	});

	test('through the whole chain: neighbours are as quick as without it; it is cut off and resumes', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const u = await makeTenant({ who: ['kepala'] });
		const [c, d] = [await t.login('kepala'), await u.login('kepala')];
		await insertMany(t, ROWS);
		const streams = workers('websocketd');
		const stuck = [await open('WebSocket', c), await open('SSE', c)];
		const [pid] = workers('websocketd').filter((one) => !streams.includes(one));
		const neighbours = [await open('WebSocket', c), await open('SSE', c), await open('SSE', d)];
		/* From the action's answer to the last neighbour of that kitchen. */
		const latency = async () => {
			const times = [];
			for (let n = 0; n < 15; n++) {
				const mine = n % 3 === 2 ? [neighbours[2]] : neighbours.slice(0, 2);
				const p = await (n % 3 === 2 ? create(d, u) : create(c, t));
				const from = performance.now();
				await Promise.all(mine.map((feed) => feed.next((f) => f.productionId === p.id, MINUTE)));
				times.push(performance.now() - from);
			}
			return times.sort((a, b) => a - b);
		};

		const alone = await latency();
		stuck[0].socket.pause();
		stuck[1].pause();
		/* What lies between (TCP, the web server, websocketd) takes some megabytes first. */
		for (let n = 0; n < 60 && alive(pid); n++)
			await burst(t, n);
		await until('the end of the stream', () => !alive(pid), MINUTE);
		await hasAll(neighbours[0], t, { ms: MINUTE });
		await hasAll(neighbours[1], t, { ms: MINUTE });
		const beside = await latency();
		const [was, is] = [alone, beside].map((times) => times.at(-2));
		assert.ok(is < 10 * was + 500, `neighbours: ${was} ms before, ${is} ms beside`);

		stuck[0].socket.resume();
		stuck[1].resume();
		for (const feed of stuck) {
			feed.carrier === 'WebSocket' ? feed.socket.terminate() : feed.request.destroy();
			await within(MINUTE, `end of the ${feed.carrier}`, feed.closed);
			const again = await open(feed.carrier, c, { after: feed.at });
			await hasAll(again, t, { ms: MINUTE });
			await gotOnce([feed, again], t);
		}
		assert.ok(neighbours.every((feed) => !feed.ended && feed.of('reset').length === 0));
		assert.equal((await headOf(u)).seq, position(neighbours[2].at).seq);
	});
});
