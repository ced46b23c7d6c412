/* What must not take the host down, and what a person sees meanwhile: crashed and busy workers, floods. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Client, ownAddress } from '../../lib/client.js';
import { env } from '../../lib/env.js';
import { done, written } from '../../lib/expect.js';
import { pidOf } from '../../lib/proc.js';
import { children, freeze } from '../../lib/services.js';
import { dial } from '../../lib/stream.js';
import { suite } from '../../lib/suite.js';
import { makeTenant } from '../../lib/tenant.js';
import { until, within } from '../../lib/wait.js';
import { startFront } from './front.js';

suite('trouble', () => {
	/* lighttpd calls it 500, and knows no further header for it */
	const isAway = (r, name) => {
		assert.equal(r.body?.code, 'UNAVAILABLE', `${r.status} ${r.text}`);
		if (name === 'lighttpd' && r.status === 500)
			return;
		assert.ok([502, 503, 504].includes(r.status), `${r.status} ${r.text}`);
		assert.match(r.headers['retry-after'] ?? '', /^[1-9]\d*$/);
	};

	for (const name of ['nginx', 'apache', 'lighttpd'])
		describe(`behind ${name}`, () => {
			test('a crashed worker costs its one request; a full queue is 503, never a hang', async () => {
				/* Apache's queue is its own threads: a socket that is full would only block them */
				const front = await startFront(name, name === 'apache' ? '--pool=1' : '--pool=1,2');
				const pool = Number(readFileSync(join(front.folder, 'api.pid'), 'utf8'));
				const worker = () => children(pool)[0]?.pid;
				const get = (check = false) => new Client({ url: front.url }).get('/api/health', { check });

				await until('a worker', async () => (await get()).status === 200);
				const thaw = freeze([worker()]);
				const lost = [get(), get()];
				/* beyond the one in hand and the queue, the front answers by itself */
				const many = Array.from({ length: 12 }, () => get());
				if (name !== 'apache')
					isAway(await within(20_000, 'an answer while all are busy', Promise.race(many)), name);
				process.kill(worker(), 'SIGKILL');
				thaw();
				for (const r of await Promise.all([...lost, ...many]))
					if (r.status !== 200)
						isAway(r, name);
				await until('the next worker', async () => (await get()).status === 200);
				await front.end();
			});
		});

	test('a flood of strangers makes no process; streams are counted', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const streams = () => children(pidOf('websocketd')).length;
		const before = streams();
		const address = ownAddress();

		const flood = Array.from({ length: 200 }, () => dial(null, { address }));
		await within(30_000, 'refusals', Promise.all(flood.map((s) => s.closed)));
		assert.deepEqual([...new Set(flood.map((s) => s.status))], [401]);
		assert.ok(streams() <= before + 2);	/* others' tests may have opened one meanwhile */

		const mine = Array.from({ length: 44 }, () => dial(c, { address }));
		await within(60_000, 'streams', Promise.all(mine.map((s) => s.next(() => true))));
		assert.equal(mine.filter((s) => s.frames[0].type === 'connected').length, 40);
		assert.equal(mine.filter((s) => s.status === 429 && s.frames[0].code === 'TOO_MANY_REQUESTS').length, 4);
		await Promise.all(mine.map((s) => s.socket.terminate()));
	});

	test('a message of 64 MB ends its own stream alone', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const [other, rude] = [dial(c), dial(c)];

		await Promise.all([other.next('connected'), rude.next('connected')]);
		rude.socket.send('x'.repeat(64 << 20));
		await within(60_000, 'end of the rude stream', rude.closed);
		const p = written(await c.post('/api/production', t.input()), 201);
		await other.next((f) => f.productionId === p.id);
		done(await new Client().get('/api/health'));
		assert.ok(env.URL);
		await other.close();
	});
});
