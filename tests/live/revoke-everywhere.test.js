/* Access that ends, ends the feed on every carrier; also when nobody heard that it did. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { eventsAlone, openAlone } from '../lib/alone.js';
import { Client } from '../lib/client.js';
import { owner } from '../lib/db.js';
import { env } from '../lib/env.js';
import { done } from '../lib/expect.js';
import { carriers, open, openAll, refusedBy } from '../lib/feeds.js';
import { headOf } from '../lib/log.js';
import { create } from '../lib/production.js';
import { run, start } from '../lib/proc.js';
import { redis } from '../lib/redis.js';
import { settings } from '../lib/settings.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { until, within } from '../lib/wait.js';

/* The promise is one second; the machine of a test may be slow. */
const SOON = 5_000;
const cli = async (...words) => {
	const r = await run('dapur', ['-c', env.DAPUR_CONF, ...words]);
	assert.equal(r.code, 0, r.stderr);
};
const two = async (t, who) => {
	const both = [new Client(), new Client()];
	for (const client of both)
		await client.login(t.people[who].email);
	return both;
};

suite('revocation on every carrier', () => {
	const ways = [
		['log-out', (t, c) => c.delete('/api/session').then(done)],
		['log-out everywhere', (t, c, other) => other.delete('/api/session?all=1').then(done)],
		['dapur user disable', (t) => cli('user', 'disable', t.people.kepala.email)],
		['dapur session end', (t) => cli('session', 'end', t.people.kepala.email)],
		['dapur tenant suspend', (t) => cli('tenant', 'suspend', t.id)],
		['a new password', async (t) => {
			const child = start('dapur', ['-c', env.DAPUR_CONF, 'user', 'password', t.people.kepala.email],
			    { PATH: process.env.PATH });
			child.stdin.end('another-word\n');
			assert.equal((await child.exited).code, 0);
		}],
	];

	for (const [what, end] of ways)
		test(`${what}: every feed says so and ends, and none opens again`, async () => {
			const t = await makeTenant({ who: ['kepala', 'dapur'] });
			const [c, other] = await two(t, 'kepala');
			const neighbour = what.includes('tenant') ? undefined : await open('SSE', await t.login('dapur'));
			const { cookie } = c;
			const feeds = await openAll(c);

			await end(t, c, other);
			await Promise.all(feeds.map(async (feed) => {
				assert.equal((await feed.next('disconnect', SOON)).code, 'UNAUTHORIZED', feed.carrier);
				await within(SOON, `end of the ${feed.carrier}`, feed.closed);
				/* the disabling is itself an event, and may be the quicker one */
				assert.deepEqual(feed.frames.map((f) => f.type).filter((type) => type !== 'staff_updated'),
				    ['connected', 'disconnect'], feed.carrier);
			}));
			for (const carrier of carriers)
				assert.equal(await refusedBy(carrier, null, { cookie }), 'UNAUTHORIZED');
			if (neighbour) {
				const p = await create(await t.login('dapur'), t);
				await neighbour.next((f) => f.productionId === p.id);
			}
		});

	test('a changed role: feeds end, may come back at once, and are the new role\'s', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const feeds = await openAll(c);

		await cli('user', 'role', t.people.kepala.email, 'SPPG_VIEWER');
		for (const feed of feeds.filter((f) => f.carrier !== 'long poll')) {
			assert.equal((await feed.next('disconnect', SOON)).reconnect, true, feed.carrier);
			const again = await open(feed.carrier, c, { after: feed.at });
			if (again.connected.user)
				assert.equal(again.connected.user.role, 'SPPG_VIEWER');
		}
		/* A long poll has nothing to say of it: it is asked anew, and still answered. */
		const poll = feeds.find((f) => f.carrier === 'long poll');
		await until('the next poll', () => poll.polls >= 3, SOON);
		assert.deepEqual(poll.of('disconnect'), []);
		assert.equal(poll.at, (await headOf(t)).position);
	});

	test('a role without READ: the feed ends and does not open', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const feeds = await openAll(c);

		await owner("INSERT INTO dapur.role (name) VALUES ('TEST_NOTHING') ON CONFLICT DO NOTHING");
		await cli('user', 'role', t.people.kepala.email, 'TEST_NOTHING');
		for (const feed of feeds)
			await feed.next('disconnect', 2 * SOON);
		for (const carrier of carriers)
			assert.match(await refusedBy(carrier, c), /^(FORBIDDEN|CROSS_SITE)$/);
	});

	test('not one byte of the kitchen after the end, whatever is written right behind it', async () => {
		const t = await makeTenant({ who: ['kepala', 'dapur'] });
		const c = await t.login('kepala');
		const writer = await t.login('dapur');
		const feeds = await openAll(c);

		done(await c.delete('/api/session'));
		for (let n = 0; n < 5; n++)
			await create(writer, t, { notes: `secret ${n}` });
		for (const feed of feeds) {
			await within(SOON, `end of the ${feed.carrier}`, feed.closed);
			assert.ok(!feed.lines.some((line) => line.includes('secret')), feed.carrier);
		}
	});

	/* Nobody publishes it, not even the relay, and the cache does not know: what is left is the heartbeat's own look. */
	const unheard = (statement) => (t) => owner(`BEGIN; ${statement} = '${t.id}';
	    DELETE FROM dapur.session_stale WHERE sppg_id = '${t.id}'; COMMIT`);
	const silent = [
		['the session ended', unheard('DELETE FROM dapur.session WHERE sppg_id'), false],
		['the person was disabled', unheard('UPDATE dapur.person SET active = false WHERE sppg_id'), false],
		['the tenant was suspended', unheard("UPDATE dapur.tenant SET status = 'SUSPENDED' WHERE id"), false],
		['the role changed', unheard("UPDATE dapur.person SET role = 'SPPG_VIEWER' WHERE sppg_id"), true],
	];
	for (const [what, change, reconnect] of silent)
		test(`the message got lost, ${what}: the next heartbeat ends it`, async () => {
			const t = await makeTenant({ who: ['kepala'] });
			const c = await t.login('kepala');
			const conf = settings({ heartbeat_ms: 300 });
			const feeds = await openAlone(c, { conf });
			const { position: after } = await headOf(t);
			const page = eventsAlone(c, { conf, after, topics: 'production', more: { wait: '20' },
			    environment: { HTTP_ACCEPT: 'application/json' } });
			const client = await redis();
			const key = `dapur:session:${createHash('sha256').update(c.token).digest('hex')}`;

			for (const feed of feeds)
				await feed.next('heartbeat');
			assert.equal(await client.exists(key), 1, 'the key of the cache is not what this test thinks');
			await change(t);
			await client.del(key);
			for (const feed of feeds) {
				const frame = await feed.next('disconnect', SOON);
				assert.deepEqual([frame.code, frame.reconnect], ['UNAUTHORIZED', reconnect]);
				await within(SOON, 'the end', feed.closed);
			}
			await within(SOON, 'the page', page.closed);
			assert.match(page.head, reconnect ? /^Status: 200/ : /^Status: 401/);
		});

	test('a session that runs out ends its feeds at that moment, not at the next heartbeat', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');

		await owner("UPDATE dapur.session SET expires_at = now() + interval '3 seconds' WHERE sppg_id = $1", [t.id]);
		await (await redis()).del(`dapur:session:${createHash('sha256').update(c.token).digest('hex')}`);
		const feeds = await Promise.all(['WebSocket', 'SSE', 'EventSource'].map((k) => open(k, c)));
		for (const feed of feeds)
			assert.equal((await feed.next('disconnect', 3_000 + SOON)).code, 'UNAUTHORIZED', feed.carrier);
		for (const carrier of carriers)
			assert.equal(await refusedBy(carrier, c), 'UNAUTHORIZED');
	});
});
