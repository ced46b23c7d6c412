/*
 * Access that another program takes away in the database, or that ours could not tell Redis of: the open feeds of every
 * carrier end, long before their next heartbeat would notice. The stack's heartbeat is 20 s and a cached session lives
 * for minutes, so nothing but the relay ends them here.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { cgi } from '../lib/cgi.js';
import { Client } from '../lib/client.js';
import { owner } from '../lib/db.js';
import { done, refused } from '../lib/expect.js';
import { carriers, open, openAll, refusedBy } from '../lib/feeds.js';
import { create } from '../lib/production.js';
import { run } from '../lib/proc.js';
import { redis } from '../lib/redis.js';
import { settings } from '../lib/settings.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { until, within } from '../lib/wait.js';

/* The promise is one second; the machine of a test may be slow. */
const SOON = 8_000;
const keyOf = (client) => `dapur:session:${createHash('sha256').update(client.token).digest('hex')}`;
const allTold = (t) => until('the rows told', async () => (await owner(`SELECT FROM dapur.session_stale
    WHERE sppg_id = $1 AND told_at IS NULL`, [t.id])).rowCount === 0);

suite('revocation by others', () => {
	const person = (t) => [t.id, t.people.kepala.id];
	const ways = [
		['a person is disabled', (t) => owner(
		    'UPDATE dapur.person SET active = false WHERE (sppg_id, id) = ($1, $2)', person(t))],
		['the sessions are deleted', (t) => owner(
		    'DELETE FROM dapur.session WHERE (sppg_id, person_id) = ($1, $2)', person(t))],
		['the person is deleted', (t) => owner(
		    'DELETE FROM dapur.person WHERE (sppg_id, id) = ($1, $2)', person(t))],
		['the sessions are made to end', (t) => owner(`UPDATE dapur.session SET expires_at = now()
		    WHERE (sppg_id, person_id) = ($1, $2)`, person(t))],
		['the tenant is suspended', (t) => owner(
		    "UPDATE dapur.tenant SET status = 'SUSPENDED' WHERE id = $1", [t.id])],
		['log-out by a worker that does not reach Redis', async (t, c) => {
			const r = await cgi('DELETE', '/api/session',
			    { conf: settings({ redis: 'unix:/nonexistent' }), HTTP_COOKIE: c.cookie });
			assert.equal(r.status, 200, r.text);
		}],
		['dapur user disable without Redis', async (t) => {
			const r = await run('dapur', ['-c', settings({ redis: 'unix:/nonexistent' }),
			    'user', 'disable', t.people.kepala.email]);
			assert.equal(r.code, 0, r.stderr);
		}],
	];
	for (const [what, end] of ways)
		test(`${what}: every feed says so and ends, and none opens again`, async () => {
			const t = await makeTenant({ who: ['kepala', 'dapur'] });
			const c = await t.login('kepala');
			const { cookie } = c;
			const neighbour = what.includes('tenant') ? undefined : await open('SSE', await t.login('dapur'));
			const feeds = await openAll(c);

			for (let n = 0; n < 16; n++)
				done(await c.get('/api/session'));
			assert.equal(await (await redis()).exists(keyOf(c)), 1, 'it is not cached');
			await end(t, c);
			await Promise.all(feeds.map(async (feed) => {
				assert.equal((await feed.next('disconnect', SOON)).code, 'UNAUTHORIZED', feed.carrier);
				await within(SOON, `end of the ${feed.carrier}`, feed.closed);
			}));
			for (const carrier of carriers)
				assert.equal(await refusedBy(carrier, null, { cookie }), 'UNAUTHORIZED');
			await allTold(t);
			for (let n = 0; n < 16; n++) /* each worker may remember it */
				refused(await c.get('/api/session'), 401, 'UNAUTHORIZED');
			if (neighbour) {
				const p = await create(await t.login('dapur'), t);
				await neighbour.next((f) => f.productionId === p.id);
			}
		});

	test('a changed role: feeds end once, and those that came back stay', async () => {
		const t = await makeTenant({ who: ['kepala', 'dapur'] });
		const c = await t.login('kepala');
		const feeds = (await openAll(c)).filter((f) => f.carrier !== 'long poll');

		await owner("UPDATE dapur.person SET role = 'SPPG_VIEWER' WHERE (sppg_id, id) = ($1, $2)", person(t));
		const again = await Promise.all(feeds.map(async (feed) => {
			assert.equal((await feed.next('disconnect', SOON)).reconnect, true, feed.carrier);
			return open(feed.carrier, c);
		}));
		await allTold(t);
		const p = await create(await t.login('dapur'), t);
		for (const feed of again) {
			assert.equal(feed.connected.user.role, 'SPPG_VIEWER', feed.carrier);
			await feed.next((f) => f.productionId === p.id);
			assert.deepEqual(feed.frames.filter((f) => f.type === 'disconnect'), []);
		}
	});

	test('what we told ourselves and the relay tells once more ends nothing that came back', async () => {
		const t = await makeTenant({ who: ['kepala', 'dapur'] });
		const c = await t.login('kepala');
		const feed = await open('WebSocket', c);

		await run('dapur', ['-c', process.env.DAPUR_CONF, 'user', 'role', t.people.kepala.email, 'SPPG_VIEWER']);
		await feed.next('disconnect', SOON);
		const again = await open('WebSocket', c);
		await allTold(t);
		/* a second row for it, as if both had come late */
		await owner('UPDATE dapur.session_stale SET told_at = NULL WHERE sppg_id = $1', [t.id]);
		await owner("SELECT pg_notify('dapur_wake', '')");
		await owner("UPDATE dapur.menu SET menu_name = menu_name || '.' WHERE sppg_id = $1", [t.id]);
		await allTold(t);
		const p = await create(await t.login('dapur'), t);
		await again.next((f) => f.productionId === p.id);
		assert.deepEqual(again.frames.filter((f) => f.type === 'disconnect'), []);
	});

	test('a right that the role loses: the feed ends; without READ it does not open', async () => {
		const t = await makeTenant({ who: ['kepala', 'dapur'] });
		const c = await t.login('kepala');
		const role = `TEST_${t.mark}`;

		await owner('INSERT INTO dapur.role (name) VALUES ($1)', [role]);
		await owner("INSERT INTO dapur.role_permission VALUES ($1, 'READ'), ($1, 'MENU_MANAGE')", [role]);
		await owner('UPDATE dapur.person SET role = $3 WHERE (sppg_id, id) = ($1, $2)', [...person(t), role]);
		await allTold(t);
		const feed = await open('WebSocket', c);
		await owner("DELETE FROM dapur.role_permission WHERE role = $1 AND permission = 'MENU_MANAGE'", [role]);
		assert.equal((await feed.next('disconnect', SOON)).reconnect, true);
		const again = await open('SSE', c);
		await owner('DELETE FROM dapur.role_permission WHERE role = $1', [role]);
		await again.next('disconnect', SOON);
		await allTold(t);
		assert.match(await refusedBy('SSE', c), /^FORBIDDEN$/);
	});

	test('another name: feeds stay open, and the next one to open knows it', async () => {
		const t = await makeTenant({ who: ['kepala', 'dapur'] });
		const c = await t.login('kepala');
		const feeds = await openAll(c);

		for (let n = 0; n < 16; n++)
			done(await c.get('/api/session'));
		await owner("UPDATE dapur.person SET name = 'Ibu Baru' WHERE (sppg_id, id) = ($1, $2)", person(t));
		await owner("UPDATE dapur.tenant SET name = 'Dapur Baru' WHERE id = $1", [t.id]);
		await allTold(t);
		const last = await open('SSE', c);
		assert.equal(last.connected.user.name, 'Ibu Baru');
		for (let n = 0; n < 16; n++) {
			const { user, sppg } = done(await c.get('/api/session'));
			assert.deepEqual([user.name, sppg.name], ['Ibu Baru', 'Dapur Baru']);
		}
		const p = await create(await t.login('dapur'), t);
		for (const feed of [...feeds, last]) {
			await feed.next((f) => f.productionId === p.id);
			assert.deepEqual(feed.frames.filter((f) => f.type === 'disconnect'), [], feed.carrier);
		}
	});

	test('a log-in while the person is being disabled is not forgotten', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const client = await redis();

		/* whichever of the two comes first: no believed line is left behind */
		for (let n = 0; n < 8; n++) {
			const c = new Client();
			await Promise.all([
				c.login(t.people.kepala.email).catch(() => {}),
				owner('UPDATE dapur.person SET active = false WHERE (sppg_id, id) = ($1, $2)', person(t)),
			]);
			await allTold(t);
			if (c.token)
				assert.ok([null, '-'].includes(await client.get(keyOf(c))), `try ${n}`);
			await owner('UPDATE dapur.person SET active = true WHERE (sppg_id, id) = ($1, $2)', person(t));
		}
	});

	test('what is rolled back revokes nothing; TRUNCATE is refused', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		await t.login('kepala');

		await owner(`BEGIN; DELETE FROM dapur.session WHERE sppg_id = '${t.id}'; ROLLBACK`);
		assert.equal((await owner('SELECT FROM dapur.session_stale WHERE sppg_id = $1', [t.id])).rowCount, 0);
		await assert.rejects(owner('TRUNCATE dapur.session'), /TRUNCATE/);
	});
});
