/* Redis stopped: actions go on, streams wait and go on. Runs alone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { done, written } from '../lib/expect.js';
import { create, setStatus } from '../lib/production.js';
import { pause } from '../lib/proc.js';
import { redis } from '../lib/redis.js';
import { suite } from '../lib/suite.js';
import { open } from '../lib/stream.js';
import { makeTenant } from '../lib/tenant.js';

suite('Redis away', { exclusive: true }, () => {
	test('stopped: every action succeeds, each in less than a second', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');

		await create(c, t);	/* connections are made */
		const resume = pause('redis');
		try {
			const slow = [];
			const timed = async (what, fn) => {
				const from = performance.now();
				const answer = await fn();
				const ms = performance.now() - from;
				if (ms >= 1000)
					slow.push(`${what}: ${Math.round(ms)} ms`);
				return answer;
			};
			const p = written(await timed('create',
			    () => c.post('/api/production', t.input())), 201);
			for (const status of ['PREPARING', 'COOKING', 'QUALITY_CHECK'])
				written(await timed(status, () => setStatus(c, p.id, status)));
			done(await timed('list', () => c.get('/api/production')));
			done(await timed('session', () => c.get('/api/session')));
			done(await timed('health', () => c.get('/api/health')));
			for (let n = 0; n < 20; n++)
				written(await timed('create', () => c.post('/api/production', t.input())), 201);
			assert.deepEqual(slow, []);
		} finally {
			resume();
		}
		await create(c, t);
	});

	test('stopped and continued: an open stream goes on', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const s = await open(c);
		const resume = pause('redis');

		try {
			await create(c, t);
		} finally {
			resume();
		}
		const p = await create(c, t);
		await s.next((f) => f.productionId === p.id, 30_000);
	});

	test('connections cut: streams and actions find their way back', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const s = await open(c);
		const client = await redis();

		await create(c, t);
		await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
		await client.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
		const p = await create(c, t);
		await s.next((f) => f.productionId === p.id, 30_000);
		const seqs = s.events.map((f) => f.seq);
		assert.deepEqual(seqs, seqs.map((_, n) => seqs[0] + n), 'no hole');
	});

	test('everything forgotten: log in, actions and streams go on', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const s = await open(c);
		const client = await redis();

		await create(c, t);
		await client.flushall();
		const p = await create(c, t);
		await s.next((f) => f.productionId === p.id, 30_000);
		const again = await open(c);
		const q = await create(c, t);
		await again.next((f) => f.productionId === q.id, 30_000);
	});
});
