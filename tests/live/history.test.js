/*
 * Redis is a bus and a cache: whatever it loses, every feed that is open or
 * comes back has every event. Runs alone: it stops Redis and the relay.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openAlone } from '../lib/alone.js';
import { open, openAll } from '../lib/feeds.js';
import { allHaveAll, hasAll, headOf, logOf, relayed } from '../lib/log.js';
import { create, insert, insertMany } from '../lib/production.js';
import { pause } from '../lib/proc.js';
import { redis } from '../lib/redis.js';
import { service } from '../lib/services.js';
import { settings } from '../lib/settings.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

suite('history in Redis', { exclusive: true }, () => {
	let t, c, client;

	const keys = () => [`dapur:{${t.id}}:log`, `dapur:{${t.id}}:head`];
	const some = (n) => Promise.all(Array.from({ length: n }, () => create(c, t)));
	const back = (feeds) => Promise.all(feeds.map((feed) => open(feed.carrier, c, { after: feed.at })));
	const closeAll = (feeds) => Promise.all(feeds.map((feed) => feed.close()));

	before(async () => {
		t = await makeTenant({ who: ['kepala'] });
		c = await t.login('kepala');
		client = await redis();
		await some(5);
	});

	const losses = [
		['FLUSHALL', () => client.flushall()],
		['the log key is gone', () => client.del(keys()[0])],
		['the head key is gone', () => client.del(keys()[1])],
		['both are gone', () => client.del(...keys())],
		['the newest events are gone', () => client.zremrangebyrank(keys()[0], -3, -1)],
		['the oldest events are gone', () => client.zremrangebyrank(keys()[0], 0, 2)],
		['every second event is gone', async () => {
			const lines = await client.zrange(keys()[0], 0, -1);
			await client.zrem(keys()[0], ...lines.filter((_, n) => n % 2));
		}],
		['the head is an older one', async () => {
			const { epoch, seq } = await headOf(t);
			await client.set(keys()[1], `${epoch}.${seq - 4}`);
		}],
		['the head is of another epoch', () => client.set(keys()[1], 'zzzz.3')],
		['the head is nonsense', () => client.set(keys()[1], 'nonsense')],
		['the log is of another type', async () => {
			await client.del(keys()[0]);
			await client.set(keys()[0], 'x');
		}],
		['the head is of another type', async () => {
			await client.del(keys()[1]);
			await client.sadd(keys()[1], 'x');
		}],
		['a line of the log is nonsense', async () => {
			const { seq } = await headOf(t);
			await client.zremrangebyscore(keys()[0], seq - 1, seq - 1);
			await client.zadd(keys()[0], seq - 1, 'nonsense');
		}],
	];

	for (const [what, lose] of losses)
		test(`${what}: nothing is missed by open feeds, nor by those that come back`, async () => {
			const [stay, leave] = [await openAll(c), await openAll(c)];

			await some(1);
			await allHaveAll(leave, t);
			await closeAll(leave);
			await some(6);
			await lose();
			const came = await back(leave);
			await allHaveAll(came, t);
			await some(2);
			await lose();
			await some(2);
			await allHaveAll([...stay, ...came, ...await back(leave)], t);
			for (const feed of [...stay, ...came])
				assert.deepEqual(feed.of('reset'), [], feed.carrier);
			await closeAll([...stay, ...came]);
		});

	test('with nobody to mend it (no relay): a hole is filled from PostgreSQL', async () => {
		const stay = await openAll(c);
		const { position: after } = await headOf(t);
		const resume = pause('relay');

		await some(6);
		const { seq } = await headOf(t);
		await client.zremrangebyscore(keys()[0], seq - 3, seq - 2);
		await insertMany(t, 3);		/* nobody publishes these */
		await create(c, t);		/* and this one shows that they are missing */
		const came = await Promise.all(stay.map((feed) => open(feed.carrier, c, { after })));
		await allHaveAll([...stay, ...came], t);
		resume();
		await relayed(client, t);
		await closeAll([...stay, ...came]);
	});

	test('a message that Redis dropped is noticed by the heartbeat', async () => {
		const feeds = await openAlone(c, { conf: settings({ heartbeat_ms: 300 }) });
		const resume = pause('relay');

		for (const feed of feeds)
			await feed.next('heartbeat');
		await insert(t);
		/* In the history, as the publisher writes it, but PUBLISH got lost on the way. */
		const { position: head, seq } = await headOf(t);
		const [{ line }] = await logOf(t, seq - 1);
		await client.multi().zadd(keys()[0], seq, line).set(keys()[1], head).exec();
		for (const feed of feeds) {
			assert.equal((await feed.next((f) => Number.isInteger(f.seq), 5_000)).seq, seq);
			assert.equal((await feed.next('heartbeat')).position, head);
			assert.equal(await hasAll(feed, t), 1);
			await feed.close();
		}
		resume();
	});

	test('a heartbeat never runs ahead of the events', async () => {
		const feeds = await openAlone(c, { conf: settings({ heartbeat_ms: 100 }) });

		for (let n = 0; n < 15; n++)
			await Promise.all([some(4), client.del(...keys())]);
		await allHaveAll(feeds, t);
		for (const feed of feeds) {
			let at = feed.connected.position;
			for (const frame of feed.frames) {
				if (frame.type === 'heartbeat')
					assert.equal(frame.position, at);
				at = Number.isInteger(frame.seq) ? frame.position : at;
			}
			assert.ok(feed.of('heartbeat').length > 0);
			await feed.close();
		}
	});

	test('Redis stopped, events written, started empty: open feeds go on, others come back', async () => {
		const [stay, leave] = [await openAll(c), await openAll(c)];

		await some(2);
		await allHaveAll(leave, t);
		await closeAll(leave);
		await service('stop', 'redis');
		await some(4);
		await insertMany(t, 2);
		const during = await back(leave);	/* PostgreSQL knows what Redis cannot tell */
		await allHaveAll(during, t);
		await service('start', 'redis');
		await some(3);
		const after = await back(leave);
		await allHaveAll([...stay, ...during, ...after], t, { ms: 40_000 });
		for (const feed of [...stay, ...during, ...after])
			assert.deepEqual(feed.of('reset'), [], feed.carrier);
	});
});
