/*
 * What happens to the stack: one row per kind of fault. Each needs some
 * services for itself while it lasts (so that a fault knows what state it
 * leaves behind), faults of different services run at the same time.
 *
 * run({ stack, rng }) resolves when the fault is over and what it ended is
 * started again; what it gives is counted as hits (0: there was nothing to hit).
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Rng } from './prng.js';
import { sleep } from './stack.js';

const quietly = (promise) => promise.then(() => 1, () => 0);

/** kill -9, away for a while, started again. */
const killed = (name, away_ms) => async ({ stack, rng }) => {
	const hits = stack.kill([stack.pid(name)]);

	await sleep(rng.int(0, away_ms));
	await stack.start(name);
	return hits;
};

const held = (pids, most_ms) => ({ stack, rng }) => {
	const found = pids(stack);

	return found.length > 0 ? stack.hold(rng.some(found), rng.int(100, most_ms)) : 0;
};

const shot = (pids, signal = 'SIGKILL') => ({ stack, rng }) => {
	const found = pids(stack);

	return found.length > 0 ? stack.kill(rng.some(found), signal) : 0;
};

/** Redis ends; before that, how its dump and the present differ is decided by `dump`. */
const redisKilled = (dump) => async ({ stack, rng }) => {
	const file = join(stack.varDir, 'redis', 'dump.rdb');

	rmSync(file, { force: true });
	if (dump !== 'none')
		await quietly(stack.redis((r) => r.save()));
	if (dump === 'old')
		await sleep(rng.int(300, 3000));
	const hits = stack.kill([stack.pid('redis')]);
	await sleep(rng.int(0, 2000));
	await stack.start('redis');
	rmSync(file, { force: true });
	return hits;
};

const redisDoes = (...command) => ({ stack }) => quietly(stack.redis((r) => r.call(...command)));

/** A state of Redis that lasts for a while and is undone for sure. */
const redisFor = (most_ms, on, off) => async ({ stack, rng }) => {
	const hits = await quietly(stack.redis((r) => r.call(...on)));

	await sleep(rng.int(100, most_ms));
	for (let tries = 0; tries < 20; tries++) {
		if (await quietly(stack.redis((r) => r.call(...off))))
			break;
		await sleep(200);
	}
	return hits;
};

export const DENY = ['ACL', 'SETUSER', 'default', '-eval', '-evalsha', '-publish'];
export const ALLOW = ['ACL', 'SETUSER', 'default', '+@all'];

/**
 * Workers are killed between COMMIT and PUBLISH: Redis holds every write
 * back, the workers wait for it, die, and what they asked dies with them.
 */
export async function killAfterCommit({ stack, wait_ms })
{
	await quietly(stack.redis((r) => r.call('CLIENT', 'PAUSE', '5000', 'WRITE')));
	await sleep(wait_ms);
	const hits = stack.kill(stack.workers('api'));
	await sleep(100);	/* the dead connections are closed by now */
	await quietly(stack.redis((r) => r.call('CLIENT', 'UNPAUSE')));
	return hits;
}

const restarted = (name) => async ({ stack }) => {
	await stack.run('restart', name);
	return 1;
};

export const faults = {
	'api-kill': { run: shot((s) => s.workers('api')) },
	'api-stop': { needs: ['api'], run: held((s) => s.workers('api'), 4000) },
	'api-commit-kill': {
		needs: ['redis'],
		run: ({ stack, rng }) => killAfterCommit({ stack, wait_ms: rng.int(5, 40) }),
	},
	'events-kill': { run: shot((s) => s.workers('events')) },
	'events-stop': { needs: ['events'], run: held((s) => s.workers('events'), 4000) },
	'stream-kill': { run: shot((s) => s.workers('websocketd')) },
	'stream-stop': { run: held((s) => s.workers('websocketd'), 4000) },
	'helper-kill': { run: shot((s) => s.helpers()) },
	'helper-stop': { run: held((s) => s.helpers(), 3000) },
	'websocketd-kill': { needs: ['websocketd'], run: killed('websocketd', 1000) },
	'websocketd-stop': { needs: ['websocketd'], run: held((s) => [s.pid('websocketd')], 3000) },
	'relay-kill': { needs: ['relay'], run: killed('relay', 3000) },
	'relay-stop': { needs: ['relay'], run: held((s) => [s.pid('relay')], 4000) },
	'nginx-kill': { run: shot((s) => s.workers('nginx')) },
	'redis-kill': { needs: ['redis'], run: redisKilled('new') },
	'redis-lose': { needs: ['redis'], run: redisKilled('none') },
	'redis-stale': { needs: ['redis'], run: redisKilled('old') },
	'redis-stop': { needs: ['redis'], run: held((s) => [s.pid('redis')], 3000) },
	'redis-flush': { needs: ['redis'], run: redisDoes('FLUSHALL') },
	'redis-cut-pubsub': { needs: ['redis'], run: redisDoes('CLIENT', 'KILL', 'TYPE', 'pubsub') },
	'redis-cut-normal': { needs: ['redis'], run: redisDoes('CLIENT', 'KILL', 'TYPE', 'normal') },
	'redis-deny': { needs: ['redis'], run: redisFor(1500, DENY, ALLOW) },
	'redis-full': {
		needs: ['redis'],
		run: redisFor(1500, ['CONFIG', 'SET', 'maxmemory', '1'], ['CONFIG', 'SET', 'maxmemory', '0']),
	},
	'redis-evict': {
		needs: ['redis'],
		run: ({ stack, rng }) => quietly(stack.redis(async (r) => {
			for (const key of await r.keys('dapur:*'))
				if (rng.chance(0.3))
					await r.del(key);
		})),
	},
	'postgres-kill': { needs: ['postgres'], run: killed('postgres', 2000) },
	'postgres-quit': {
		needs: ['postgres'],
		run: async ({ stack, rng }) => {
			const hits = stack.signal(stack.pid('postgres'), 'SIGQUIT') ? 1 : 0;
			await sleep(rng.int(0, 3000));
			for (let n = 0; n < 100 && stack.alive('postgres'); n++)
				await sleep(50);
			await stack.start('postgres');
			return hits;
		},
	},
	'postgres-stop': { needs: ['postgres'], run: held((s) => s.workers('postgres'), 2500) },
	'postgres-cut': { run: shot((s) => s.backends(), 'SIGTERM') },
	/* One backend killed: PostgreSQL ends all of them and recovers by itself. */
	'postgres-crash': {
		needs: ['postgres'],
		run: ({ stack, rng }) => {
			const found = stack.backends();
			return found.length > 0 ? stack.kill([rng.pick(found)]) : 0;
		},
	},
	'api-restart': { needs: ['api'], weight: 0.5, run: restarted('api') },
	'events-restart': { needs: ['events'], weight: 0.5, run: restarted('events') },
	'websocketd-restart': { needs: ['websocketd'], weight: 0.5, run: restarted('websocketd') },
	'relay-restart': { needs: ['relay'], weight: 0.5, run: restarted('relay') },
};

/** Deals faults from a shuffled deck, so that even a short run has seen every kind. */
export class Faults {
	constructor({ seed, stack, kinds, gap_ms, tell })
	{
		Object.assign(this, { stack, kinds, gap_ms, tell });
		this.rng = new Rng(seed, 'faults');
		this.seed = seed;
		this.busy = new Set();
		this.open = new Set();
		this.log = [];		/* { kind, from_ms, to_ms, hits } */
		this.broken = [];	/* faults that could not be undone */
		this.stopping = false;
	}

	#deck()
	{
		return this.rng.shuffle(this.kinds.filter(
		    (kind) => this.rng.chance(faults[kind].weight ?? 1) || this.kinds.length === 1));
	}

	async run()
	{
		for (let n = 0, deck = []; !this.stopping && this.kinds.length > 0; n++) {
			if (deck.length === 0)
				deck = this.#deck();
			const kind = deck.pop();
			await sleep(this.rng.pause(this.gap_ms));
			if (kind === undefined)
				continue;
			const { needs = [], run } = faults[kind];
			while (!this.stopping && needs.some((name) => this.busy.has(name)))
				await sleep(20);
			if (this.stopping)
				break;
			this.#launch(kind, needs, run, new Rng(this.seed, 'fault', n));
		}
		while (this.open.size > 0)
			await Promise.all(this.open);
	}

	#launch(kind, needs, run, rng)
	{
		const entry = { kind, from_ms: Date.now(), to_ms: undefined, hits: 0 };

		needs.forEach((name) => this.busy.add(name));
		this.log.push(entry);
		const task = (async () => {
			try {
				entry.hits = await run({ stack: this.stack, rng });
			} catch (error) {
				this.broken.push(`${kind}: ${error.message}`);
			}
			entry.to_ms = Date.now();
			this.tell?.(`${kind}: ${entry.hits} hit, ${entry.to_ms - entry.from_ms} ms`);
			needs.forEach((name) => this.busy.delete(name));
		})();
		this.open.add(task);
		task.then(() => this.open.delete(task));
	}

	stop() { this.stopping = true; }

	/** { kind: how often it hit something } */
	get counts()
	{
		const out = {};

		for (const { kind, hits } of this.log)
			if (hits > 0)
				out[kind] = (out[kind] ?? 0) + 1;
		return out;
	}
}
