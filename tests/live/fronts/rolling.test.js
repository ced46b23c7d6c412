/*
 * A deploy under load: every service restarted, one after the other, while people write, read and watch. No request fails,
 * no write is lost or done twice, every feed gets the log in order, once.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { Client } from '../../lib/client.js';
import { env } from '../../lib/env.js';
import { done, position, written } from '../../lib/expect.js';
import { carriers, dial } from '../../lib/feeds.js';
import { headOf, logOf } from '../../lib/log.js';
import { alive, children, service, workers } from '../../lib/services.js';
import { settings } from '../../lib/settings.js';
import { atEnd, suite } from '../../lib/suite.js';
import { makeTenant } from '../../lib/tenant.js';
import { until } from '../../lib/wait.js';
import { startFront } from './front.js';

const BACK = 30_000;
const HANDS = 4;
const RETRY_MS = 50;	/* of a client that was refused */

/* People at work through one front until stop(); what they were told is in .acts, what should not be in .failed. */
class Load {
	constructor(front, t, from)
	{
		Object.assign(this, { front, t, from, acts: [], failed: [], reads: 0, running: true });
	}

	async #day(c)
	{
		const act = (r, type, status = 200) => {
			const data = written(r, status);
			this.acts.push({ seq: position(r.body.position).seq, type, id: data.id });
			return data;
		};
		const read = (r) => {
			done(r);
			this.reads++;
		};

		const p = act(await c.post('/api/production', this.t.input()), 'production_created', 201);
		read(await c.get('/api/production?limit=5'));
		act(await c.patch(`/api/production/${p.id}`, { notes: 'é ✓'.repeat(300) }), 'production_updated');
		read(await c.get(`/api/events?after=${this.from}&limit=5`));
		act(await c.patch(`/api/production/${p.id}/status`, { status: 'PREPARING' }), 'status_changed');
		read(await c.get(`/api/production/${p.id}`));
		read(await c.get('/api/ws'));
	}

	/* A failure ends this hand's day, not the load. */
	async run(c)
	{
		while (this.running) {
			try {
				await this.#day(c);
			} catch (error) {
				this.failed.push(`${this.step}: ${error.message}`);
			}
		}
	}

	async start(email)
	{
		/* a connection per request: one that is kept may be closed by a reload just as it is used again */
		const hands = await Promise.all(Array.from({ length: HANDS }, async () => {
			const c = new Client({ url: this.front.url });
			c.agent = new c.transport.Agent({ keepAlive: false });
			await c.login(email);
			return c;
		}));
		this.ended = Promise.all(hands.map((c) => this.run(c)));
	}

	/* What was begun before is over, and more. */
	pace()
	{
		const n = this.acts.length + 3 * HANDS;
		return until('load', () => this.acts.length >= n || this.failed.length > 0, BACK);
	}

	stop()
	{
		this.running = false;
		return this.ended;
	}
}

/* A feed that is opened again from its position whenever it ends, as clients do. */
class Watcher {
	constructor(carrier, c, front, from)
	{
		Object.assign(this, { carrier, parts: [], refused: [], watching: true });
		this.over = this.#run(c, front, from);
	}

	async #run(c, front, from)
	{
		for (let after = from; this.watching;) {
			const feed = dial(this.carrier, c, { front, after });
			this.parts.push(feed);
			await feed.closed;
			if (feed.frames[0]?.type !== 'connected') {
				this.refused.push(feed.lines[0] ?? feed.error?.message ?? 'no answer');
				await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
			}
			after = feed.at ?? after;
		}
	}

	get events() { return this.parts.flatMap((feed) => feed.events); }

	stop()
	{
		this.watching = false;
		this.parts.at(-1).close().catch(() => {});
		return this.over;
	}
}

suite('a deploy under load', { exclusive: true }, () => {
	/* Not the subject: that a machine busy with other tests keeps PostgreSQL from answering in time, which is a 503. */
	before(async () => {
		const before = readFileSync(env.DAPUR_CONF);

		atEnd(async () => {
			writeFileSync(env.DAPUR_CONF, before);
			await service('restart', 'api', 'events');
		});
		writeFileSync(env.DAPUR_CONF, readFileSync(settings({ db_timeout_ms: 20_000 })));
		await service('restart', 'api', 'events');
	});

	const term = async (name, pids) => {
		for (const pid of pids) {
			process.kill(pid, 'SIGTERM');
			await until(`the end of a worker of ${name}`, () => !alive(pid), BACK);
		}
		await until(`new workers of ${name}`, () => workers(name).filter((pid) => !pids.includes(pid)).length
		    >= pids.length, BACK);
	};
	const reload = async (front, signal) => {
		const old = children(front.pid).map(({ pid }) => pid);
		process.kill(front.pid, signal);
		await until('the next workers of the web server',
		    () => children(front.pid).some(({ pid }) => !old.includes(pid)), BACK);
	};

	for (const [name, signal] of [['nginx', 'SIGHUP'], ['apache', 'SIGUSR1']])
		test(`behind ${name}`, async () => {
			const [front, t] = await Promise.all([startFront(name), makeTenant({ who: ['kepala'] })]);
			const c = await t.login('kepala');
			const { position: from } = await headOf(t);
			const load = new Load(front, t, from);
			const watchers = carriers.map((carrier) => new Watcher(carrier, c, front, from));
			const steps = [
				['TERM to each worker of the actions', () => term('api', workers('api'))],
				['TERM to events.fcgi', () => term('events', workers('events'))],
				...['api', 'events', 'relay', 'websocketd', 'redis', 'api'].map((what) =>
					[`restart of ${what}`, () => service('restart', what)]),
				['reload of the web server', () => reload(front, signal)],
				['restart of events', () => service('restart', 'events')],
			];

			await load.start(t.people.kepala.email);
			for (const [what, step] of steps) {
				await load.pace();
				load.step = what;
				await step();
			}
			await load.pace();
			await load.stop();
			assert.deepEqual(load.failed, []);

			const log = await logOf(t, position(from).seq);
			assert.deepEqual(load.acts.sort((a, b) => a.seq - b.seq),
			    log.map(({ seq, event }) => ({ seq, type: event.type, id: event.productionId })));
			const last = log.at(-1).seq;
			for (const w of watchers) {
				await until(`${last} over ${w.carrier}: ${w.events.length}`, () => w.events.at(-1)?.seq >= last, BACK);
				await w.stop();
				assert.deepEqual(w.events, log.map(({ event }) => event), w.carrier);
				/* websocketd has no socket that stays; a pool's does */
				if (w.carrier !== 'WebSocket')
					assert.deepEqual(w.refused, [], w.carrier);
			}
		});
});
