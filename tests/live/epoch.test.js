/* After a restore history may have gone backwards: `dapur epoch --new` says so to everybody. Runs alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { owner } from '../lib/db.js';
import { env } from '../lib/env.js';
import { carriers, open, openAll } from '../lib/feeds.js';
import { allHaveAll, hasAll, headOf } from '../lib/log.js';
import { create, insert } from '../lib/production.js';
import { run } from '../lib/proc.js';
import { redis } from '../lib/redis.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

const epoch = async (...words) => {
	const r = await run('dapur', ['-c', env.DAPUR_CONF, 'epoch', ...words]);
	assert.equal(r.code, 0, r.stderr);
	return r.stdout.trim();
};

suite('the epoch', { exclusive: true }, () => {
	test('dapur epoch shows the one of every position', async () => {
		const t = await makeTenant({ who: ['viewer'] });

		assert.equal((await headOf(t)).epoch, await epoch());
		assert.equal(await epoch(), await epoch());
	});

	test('a new one: open feeds are reset, then live; old positions are reset everywhere', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		for (let n = 0; n < 5; n++)
			await create(c, t);
		const feeds = await openAll(c);
		const old = await headOf(t);
		const before = await c.get('/api/production');

		const now = await epoch('--new');
		assert.notEqual(now, old.epoch);
		assert.equal(await epoch(), now);
		await create(c, t);
		const { position: head } = await headOf(t);
		assert.ok(head.startsWith(`${now}.`));
		for (const feed of feeds) {
			assert.deepEqual(await feed.next('reset'), { type: 'reset', reason: 'EPOCH', head }, feed.carrier);
			assert.equal(feed.at, head);
		}
		await create(c, t);
		await insert(t);
		await allHaveAll(feeds, t, { after: head });

		for (const carrier of carriers)
			for (const after of [old.position, `${old.epoch}.0`, `${old.epoch}.99999`]) {
				const feed = await open(carrier, c, { after });
				const frame = await feed.next('reset');
				assert.deepEqual(frame, { type: 'reset', reason: 'EPOCH', head: (await headOf(t)).position });
				await create(c, t);
				assert.equal(await hasAll(feed, t, { after: frame.head }), 1);
				await feed.close();
			}
		const list = await c.get('/api/production');
		assert.equal(list.headers['x-stream-position'], (await headOf(t)).position);
		assert.notEqual(list.headers.etag, before.headers.etag);
		assert.equal((await c.get('/api/production', { headers: { 'if-none-match': before.headers.etag } })).status, 200);
	});

	test('a restore of an older copy: events with seqs that were seen before are new', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		for (let n = 0; n < 6; n++)
			await create(c, t);
		const { seq } = await headOf(t);
		const feeds = await openAll(c);

		/* As a restore leaves it: the last three never happened. Redis still tells of them. */
		await owner('DELETE FROM dapur.event WHERE sppg_id = $1 AND seq > $2', [t.id, seq - 3]);
		await owner('UPDATE dapur.tenant_head SET seq = $2 WHERE sppg_id = $1', [t.id, seq - 3]);
		await epoch('--new');
		await create(c, t);
		const { position: head, seq: now } = await headOf(t);
		assert.equal(now, seq - 2);
		for (const feed of feeds)
			assert.deepEqual(await feed.next('reset'), { type: 'reset', reason: 'EPOCH', head }, feed.carrier);
		await create(c, t);
		await allHaveAll(feeds, t, { after: head });
		const client = await redis();
		assert.equal(await client.get(`dapur:{${t.id}}:head`), (await headOf(t)).position);
		for (const line of await client.zrange(`dapur:{${t.id}}:log`, 0, -1))
			assert.ok(JSON.parse(line).position.startsWith(head.split('.')[0]), 'an event of the old history');
	});
});
