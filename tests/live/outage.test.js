/* PostgreSQL away under load: 503 soon, feeds stay open, every retry acts once, nothing is lost. Runs alone. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { Client } from '../lib/client.js';
import { owner } from '../lib/db.js';
import { done, refused } from '../lib/expect.js';
import { open, openAll } from '../lib/feeds.js';
import { allHaveAll, logOf } from '../lib/log.js';
import { pidOf } from '../lib/proc.js';
import { children, freeze, service } from '../lib/services.js';
import { atEnd, suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { until } from '../lib/wait.js';

const WRITERS = 4;
/* The promise is two seconds; a test's machine may be slow. */
const REFUSED_MS = 3_500;

/* The load: each write is tried with its key until it is acknowledged. */
class Load {
	constructor(t, clients)
	{
		Object.assign(this, { t, clients, acknowledged: [], refusals: [], running: true });
		this.done = Promise.all(clients.map((c) => this.#write(c)));
		this.done.catch(() => {});
	}

	async #write(c)
	{
		while (this.running) {
			const key = randomUUID(), input = this.t.input({ notes: key });

			for (;;) {
				const from = performance.now();
				const r = await c.post('/api/production', input, { headers: { 'idempotency-key': key } });
				const ms = performance.now() - from;

				if (r.status === 201) {
					this.acknowledged.push({ key, id: r.body.data.id });
					break;
				}
				if (r.status === 503)
					refused(r, 503, 'UNAVAILABLE');
				else
					refused(r, 409, 'CONFLICT');	/* the first try is still under way */
				this.refusals.push({ ms, status: r.status });
				await new Promise((resolve) => { setTimeout(resolve, 50); });
			}
		}
	}

	refusedSince(n) { return this.refusals.slice(n).filter((r) => r.status === 503).length; }
}

suite('PostgreSQL away', { exclusive: true }, () => {
	const frozen = async () => {
		const postmaster = pidOf('postgres');
		return freeze([postmaster, ...children(postmaster).map((child) => child.pid)]);
	};
	const ways = [
		['stopped and started', async (gone) => {
			await service('stop', 'postgres');
			await gone();
			await service('start', 'postgres');
		}],
		['frozen and continued', async (gone) => {
			const thaw = await frozen();
			try {
				await gone();
			} finally {
				thaw();
			}
		}],
	];

	for (const [what, away] of ways)
		test(`${what} under load`, async () => {
			const t = await makeTenant({ who: ['kepala', 'dapur'] });
			const writers = await Promise.all(Array.from({ length: WRITERS }, async () => {
				const c = new Client();
				await c.login(t.people.dapur.email);
				return c;
			}));
			const viewer = await t.login('kepala');
			const feeds = await openAll(viewer);
			const load = new Load(t, writers);
			atEnd(() => { load.running = false; });

			await until('some writes', () => load.acknowledged.length >= 2 * WRITERS);
			let reads;
			await away(async () => {
				const before = load.refusals.length;
				const from = performance.now();
				refused(await viewer.get('/api/production'), 503, 'UNAVAILABLE');
				assert.ok(performance.now() - from < REFUSED_MS);
				refused(await viewer.get('/api/ready'), 503, 'UNAVAILABLE');
				assert.equal((await viewer.get('/api/health')).status, 200);
				await until('refusals', () => load.refusedSince(before) >= 3 * WRITERS, 40_000);
				assert.ok(feeds.every((feed) => !feed.ended), 'the feeds stay open');
				/* A session that is known gets a feed even now. */
				reads = await open('WebSocket', viewer);
			});
			const n = load.acknowledged.length;
			await until('writes again', () => load.acknowledged.length >= n + 2 * WRITERS, 40_000);
			load.running = false;
			await load.done;

			const slow = load.refusals.filter((r) => r.ms > REFUSED_MS).map((r) => Math.round(r.ms));
			assert.deepEqual(slow, [], 'refusals that took too long');
			await allHaveAll(feeds, t, { ms: 40_000 });
			await allHaveAll([reads], t, { ms: 40_000 });
			for (const feed of feeds) {
				assert.ok(!feed.ended, feed.carrier);
				assert.deepEqual([...feed.of('disconnect'), ...feed.of('reset')], [], feed.carrier);
			}
			/* Each key acted once, and the log has it once. */
			const { rows } = await owner('SELECT id, notes FROM dapur.production WHERE sppg_id = $1', [t.id]);
			assert.deepEqual(rows.map((row) => row.notes).sort(), load.acknowledged.map((a) => a.key).sort());
			assert.deepEqual(rows.map((row) => row.id).sort(), load.acknowledged.map((a) => a.id).sort());
			const created = (await logOf(t)).filter((row) => row.event.type === 'production_created');
			assert.deepEqual(created.map((row) => row.event.productionId).sort(),
			    load.acknowledged.map((a) => a.id).sort());
			done(await viewer.get('/api/production'));
		});
});
