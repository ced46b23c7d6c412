/* One position for every carrier: what was missed comes in order and once; a position of no use is said so. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { owner } from '../lib/db.js';
import { position } from '../lib/expect.js';
import { carriers, open, openAll } from '../lib/feeds.js';
import { allHaveAll, hasAll, headOf, relayed } from '../lib/log.js';
import { create, insertMany } from '../lib/production.js';
import { redis } from '../lib/redis.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

/* Carriers that may show a position as a header. */
const withHeader = carriers.filter((carrier) => carrier !== 'WebSocket');

suite('positions', () => {
	let t, c;

	const some = (n) => Promise.all(Array.from({ length: n }, () => create(c, t)));

	before(async () => {
		t = await makeTenant({ who: ['kepala'] });
		c = await t.login('kepala');
		await some(3);
	});

	/* One feed of each carrier, from what the first ones had last. */
	const again = (feeds) => Promise.all(feeds.map((feed) => open(feed.carrier, c, { after: feed.at })));
	const closeAll = (feeds) => Promise.all(feeds.map((feed) => feed.close()));
	const none = (feeds, type) => feeds.forEach((feed) => assert.deepEqual(feed.of(type), [], feed.carrier));

	test('who comes back gets exactly what it missed, then live', async () => {
		const first = await openAll(c);

		await some(2);
		await allHaveAll(first, t);
		await closeAll(first);
		const { position: head } = await headOf(t);
		for (const feed of first)
			assert.equal(feed.at, head, feed.carrier);
		await some(40);		/* more than a page of Redis */
		const second = await again(first);
		for (const feed of second)
			assert.equal(feed.connected.position, head, feed.carrier);
		assert.deepEqual(await allHaveAll(second, t), [40, 40, 40, 40]);
		await some(3);
		assert.deepEqual(await allHaveAll(second, t), [43, 43, 43, 43]);
		none(second, 'reset');
		await closeAll(second);
	});

	test('from the beginning of a log of which Redis has nothing', async () => {
		const u = await makeTenant({ who: ['viewer'] });
		await insertMany(u, 130);	/* more than a page of PostgreSQL */
		const client = await redis();
		await relayed(client, u);
		const d = await u.login('viewer');
		const { epoch, seq } = await headOf(u);

		for (const carrier of carriers) {
			await client.del(`dapur:{${u.id}}:log`);
			const feed = await open(carrier, d, { after: `${epoch}.0` });
			assert.equal(await hasAll(feed, u), seq);
			none([feed], 'reset');
			await feed.close();
		}
	});

	test('the position of one carrier is good for every other', async () => {
		const first = await openAll(c);

		await some(1);
		await allHaveAll(first, t);
		await closeAll(first);
		await some(2);
		const turned = first.map((feed, n) => ({ at: feed.at, carrier: carriers[(n + 1) % carriers.length] }));
		assert.deepEqual(await allHaveAll(await again(turned), t), [2, 2, 2, 2]);
	});

	test('no position is live from now', async () => {
		const feeds = await openAll(c);
		const { position: head } = await headOf(t);

		for (const feed of feeds)
			assert.equal(feed.connected.position, head, feed.carrier);
		await some(1);
		assert.deepEqual(await allHaveAll(feeds, t), [1, 1, 1, 1]);
	});

	test('of no use: reset with the reason and the head, then live', async () => {
		const { epoch, seq } = await headOf(t);

		for (const [after, reason] of [
			[`${epoch}.${seq + 50}`, 'AHEAD'], [`${epoch}.999999999999`, 'AHEAD'],
			[`x${epoch}.${seq}`, 'EPOCH'], ['zzzz.0', 'EPOCH'], ['zzzz.99999999', 'EPOCH'],
			['nonsense', 'INVALID'], [`${epoch}.`, 'INVALID'], [`${epoch}.-1`, 'INVALID'],
			[`${epoch}.${'9'.repeat(40)}`, 'INVALID'], [`${'e'.repeat(90)}.1`, 'INVALID'],
			[`${epoch}.1 `, 'INVALID'], ['.', 'INVALID'],
		]) {
			const feeds = await openAll(c, { after });
			const { position: head } = await headOf(t);

			for (const feed of feeds) {
				assert.deepEqual(await feed.next('reset'), { type: 'reset', reason, head },
				    `${feed.carrier} after ${after}`);
				assert.equal(feed.at, head);
			}
			await some(1);
			assert.deepEqual(await allHaveAll(feeds, t, { after: head }), [1, 1, 1, 1]);
			await closeAll(feeds);
		}
	});

	test('too old: reset, then live; the oldest that is kept still resumes', async () => {
		const u = await makeTenant({ who: ['kepala'] });
		const d = await u.login('kepala');
		await insertMany(u, 10);
		const { epoch, seq } = await headOf(u);
		const client = await redis();
		await relayed(client, u);

		/* As the relay prunes; and Redis lost them, too. */
		await owner('DELETE FROM dapur.event WHERE sppg_id = $1 AND seq <= $2', [u.id, seq - 4]);
		await owner('UPDATE dapur.tenant_head SET floor = $2 WHERE sppg_id = $1', [u.id, seq - 4]);
		await client.del(`dapur:{${u.id}}:log`);
		for (const after of [0, seq - 5]) {
			const feeds = await openAll(d, { after: `${epoch}.${after}` });
			const { position: head } = await headOf(u);
			for (const feed of feeds)
				assert.deepEqual(await feed.next('reset'), { type: 'reset', reason: 'TOO_OLD', head },
				    feed.carrier);
			await create(d, u);
			await allHaveAll(feeds, u, { after: head });
			await closeAll(feeds);
			await client.del(`dapur:{${u.id}}:log`);
		}
		const feeds = await openAll(d, { after: `${epoch}.${seq - 4}` });
		assert.deepEqual(await allHaveAll(feeds, u), [6, 6, 6, 6]);
		none(feeds, 'reset');
	});

	test('events that somebody deleted: reset, then live; before and behind the hole nothing changes', async () => {
		const u = await makeTenant({ who: ['kepala'] });
		const d = await u.login('kepala');
		await insertMany(u, 10);
		const { epoch, seq } = await headOf(u);
		const client = await redis();
		const key = `dapur:{${u.id}}:log`;
		await relayed(client, u);

		/* The owner, not the relay: the floor stays where it is. */
		await owner('DELETE FROM dapur.event WHERE sppg_id = $1 AND seq BETWEEN $2 AND $3', [u.id, seq - 5, seq - 4]);
		await client.del(key);
		for (const [after, n] of [[seq - 8, 2], [seq - 6, 0], [seq - 5, 0]]) {
			const feeds = await openAll(d, { after: `${epoch}.${after}` });
			for (const feed of feeds) {
				assert.deepEqual(await feed.next('reset'), { type: 'reset', reason: 'TOO_OLD',
				    head: `${epoch}.${seq}` }, `${feed.carrier} after ${after}`);
				assert.equal(feed.events.length, n, feed.carrier);
			}
			await closeAll(feeds);
			await client.del(key);
		}
		const feeds = await openAll(d, { after: `${epoch}.${seq - 4}` });
		assert.deepEqual(await allHaveAll(feeds, u), [4, 4, 4, 4]);
		none(feeds, 'reset');
		await closeAll(feeds);
		/* the end of the log is gone, and Redis lost it, too */
		await owner('DELETE FROM dapur.event WHERE sppg_id = $1 AND seq > $2', [u.id, seq - 2]);
		await client.del(key);
		const last = await openAll(d, { after: `${epoch}.${seq - 1}` });
		for (const feed of last)
			assert.equal((await feed.next('reset')).reason, 'TOO_OLD', feed.carrier);
		await create(d, u);
		await allHaveAll(last, u, { after: `${epoch}.${seq}` });
		/* as it should have been done: the relay need not look for them again and again */
		await owner('UPDATE dapur.tenant_head SET floor = $2 WHERE sppg_id = $1', [u.id, seq]);
	});

	test('topics: events of others are left out, the position goes on', async () => {
		const feeds = await openAll(c, { topics: 'menu' });

		await some(2);
		await owner('UPDATE dapur.menu SET cost_per_serving = cost_per_serving + 1 WHERE id = $1',
		    [t.menus[0].id]);
		const { position: head } = await headOf(t);
		for (const feed of feeds) {
			const event = await feed.next('menu_updated');
			assert.equal(event.position, head, feed.carrier);
			assert.deepEqual(feed.events, [event], feed.carrier);
		}
		await closeAll(feeds);
		await some(2);
		const menus = await Promise.all(feeds.map((feed) => open(feed.carrier, c,
		    { after: feed.at, topics: 'menu' })));
		assert.deepEqual(await allHaveAll(await again(feeds), t), [2, 2, 2, 2]);
		for (const feed of menus)
			assert.deepEqual(feed.events, [], feed.carrier);
	});

	for (const carrier of withHeader)
		test(`${carrier}: Last-Event-ID wins over after=, and an empty one does not`, async () => {
			const { epoch, seq } = await headOf(t);
			const at = (n) => `${epoch}.${seq - n}`;
			const opened = (last, after) => open(carrier, c,
			    { after, headers: { 'last-event-id': last } });

			for (const [last, after, n] of [[at(2), at(5), 2], [at(5), at(2), 5], [at(3), undefined, 3],
			    ['', at(4), 4], [at(1), 'nonsense', 1]]) {
				const feed = await opened(last, after);
				if (carrier === 'long poll')	/* its next request shows the header again */
					await feed.close();
				assert.equal(await hasAll(feed, t, { after: at(n) }), n);
				await feed.close();
			}
			const feed = await opened('nonsense', at(2));
			assert.equal((await feed.next('reset')).reason, 'INVALID');
		});

	test('all carriers at once, while 8 write, each dropped and resumed over and over', async () => {
		const writers = Promise.all(Array.from({ length: 8 }, async () => {
			for (let n = 0; n < 12; n++)
				await create(c, t);
		}));
		const from = (await headOf(t)).position;
		const seen = new Map(carriers.map((carrier) => [carrier, []]));
		let writing = true;

		writers.finally(() => { writing = false; });
		await Promise.all(carriers.map(async (carrier) => {
			let after = from;
			for (let last = false; !last;) {
				last = !writing;
				const feed = await open(carrier, c, { after });
				if (last)
					await hasAll(feed, t);
				else
					await Promise.race([feed.next((f) => Number.isInteger(f.seq)).catch(() => {}), writers]);
				await feed.close();
				seen.get(carrier).push(...feed.events.map((f) => f.seq));
				assert.deepEqual(feed.of('reset'), []);
				after = feed.at;
			}
		}));
		await writers;
		const { seq } = await headOf(t);
		for (const [carrier, seqs] of seen)
			assert.deepEqual(seqs, Array.from({ length: seq - position(from).seq },
			    (_, n) => position(from).seq + 1 + n), carrier);
	});
});
