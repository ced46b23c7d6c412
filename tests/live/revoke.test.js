/* Access that ends, ends open streams: log-out, a disabled person, a changed role, a suspended tenant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../lib/client.js';
import { env } from '../lib/env.js';
import { done } from '../lib/expect.js';
import { create } from '../lib/production.js';
import { run } from '../lib/proc.js';
import { suite } from '../lib/suite.js';
import { open, turnedAway } from '../lib/stream.js';
import { makeTenant } from '../lib/tenant.js';
import { within } from '../lib/wait.js';

/* The promise is one second; the machine of a test may be slow. */
const SOON = 5_000;

async function ends(stream, secret)
{
	const frame = await stream.next('disconnect', SOON);

	assert.equal(frame.code, 'UNAUTHORIZED');
	await within(SOON, 'end of the stream', stream.closed);
	if (secret)
		assert.ok(!stream.lines.some((line) => line.includes(secret)));
}

suite('revocation', () => {
	const ended = [
		['log-out', (t, c) => c.delete('/api/session').then(done)],
		['log-out everywhere', (t, c, other) => other.delete('/api/session?all=1').then(done)],
		['dapur user disable', (t) => run('dapur', ['-c', env.DAPUR_CONF, 'user', 'disable',
		    t.people.kepala.email])],
		['dapur session end', (t) => run('dapur', ['-c', env.DAPUR_CONF, 'session', 'end',
		    t.people.kepala.email])],
		['dapur tenant suspend', (t) => run('dapur', ['-c', env.DAPUR_CONF, 'tenant', 'suspend', t.id])],
	];
	for (const [what, end] of ended)
		test(`${what}: the stream says so and ends`, async () => {
			const t = await makeTenant({ who: ['kepala'] });
			const [c, other] = [new Client(), new Client()];

			await c.login(t.people.kepala.email);
			await other.login(t.people.kepala.email);
			const { cookie } = c;
			const s = await open(c);
			await end(t, c, other);
			await ends(s);
			assert.equal((await turnedAway(null, { cookie }, 'UNAUTHORIZED')).reconnect, false);
		});

	test('a changed role: the stream comes back with the new one', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const s = await open(c);

		await run('dapur', ['-c', env.DAPUR_CONF, 'user', 'role', t.people.kepala.email, 'SPPG_VIEWER']);
		assert.equal((await s.next('disconnect', SOON)).reconnect, true);
		assert.equal((await open(c)).connected.user.role, 'SPPG_VIEWER');
	});

	test('log-out of one leaves the other sessions\' streams open', async () => {
		const t = await makeTenant({ who: ['kepala', 'dapur'] });
		const [a, b] = [new Client(), new Client()];

		await a.login(t.people.kepala.email);
		await b.login(t.people.kepala.email);
		const [gone, mine, theirs] = [await open(a), await open(b), await open(await t.login('dapur'))];
		done(await a.delete('/api/session'));
		await ends(gone);
		const p = await create(b, t);
		await mine.next((f) => f.productionId === p.id);
		await theirs.next((f) => f.productionId === p.id);
	});

	test('after the end not one byte more of the kitchen', async () => {
		const t = await makeTenant({ who: ['kepala', 'dapur'] });
		const c = await t.login('kepala');
		const s = await open(c);

		done(await c.delete('/api/session'));
		const p = await create(await t.login('dapur'), t, { notes: `secret ${t.mark}` });
		await ends(s, p.id);
	});
});
