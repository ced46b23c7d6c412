#!/usr/bin/env node
/*
 * ./dev chaos: kitchens at work, clients who come and go, and everything
 * that can end ending at any moment; then the books are compared.
 *
 * Exit 0: nothing was lost. 1: a violation. 100: usage. 111: it did not run.
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { check } from './check.js';
import { FeedClient, kinds as clientKinds } from './clients.js';
import { ALLOW, DENY, Faults, faults } from './faults.js';
import { Load } from './load.js';
import { plants, variant } from './plant.js';
import { Rng } from './prng.js';
import { Stack, sleep } from './stack.js';

const top = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const USAGE = `usage: ./dev chaos [--seed N] [--minutes M] [--fault=KIND,...] [--plant=BUG]
  --seed N        what happens is decided by it (default 1)
  --minutes M     how long the load runs (default 1)
  --fault=KINDS   only these, joined by commas; none: no faults
                  ${Object.keys(faults).join(' ').replace(/(.{1,70})( |$)/g, '$1\n                  ').trim()}
  --plant=BUG     ${Object.keys(plants).join(', ')}: it must be caught
  --tenants N     kitchens (default 4)
  --clients N     clients of the feed, over all kitchens (default 32)
  --via=KINDS     only such clients: ${clientKinds.join(', ')}
  --hands N       hands of each kitchen (default 2)
  --think-ms N    mean pause between two acts of a hand (default 150)
  --gap-ms N      mean pause between two faults (default 900)
  --life-ms N     mean life of a client's connection (default 7000)
  --settle-s N    how long all clients may take to reach the head (default 30)
  --var DIR       state of the private stack (default var/chaos)
  --reuse         keep what an earlier run left there
  --keep          leave the stack running afterwards
  --verbose       tell each fault
`;

function options()
{
	const number = (text, name) => {
		const n = Number(text);
		if (!(n > 0))
			throw new Error(`--${name} ${text}: a number above 0 is needed`);
		return n;
	};
	const text = (value) => ({ type: 'string', default: value });
	const flag = { type: 'boolean', default: false };
	const { values: o } = parseArgs({ options: {
		seed: text('1'), minutes: text('1'), fault: text(''), plant: text(''), tenants: text('4'),
		clients: text('32'), via: text(clientKinds.join(',')), hands: text('2'), 'think-ms': text('150'), 'gap-ms': text('900'),
		'life-ms': text('7000'), 'settle-s': text('30'), var: text(join(top, 'var/chaos')),
		reuse: flag, keep: flag, verbose: flag, help: { ...flag, short: 'h' },
	} });

	for (const name of ['minutes', 'tenants', 'clients', 'hands', 'think-ms', 'gap-ms', 'life-ms', 'settle-s'])
		o[name] = number(o[name], name);
	if (o.plant && !plants[o.plant])
		throw new Error(`no such planted bug: ${o.plant}`);
	o.bug = plants[o.plant] ?? {};
	o.kinds = o.fault === 'none' ? []
		: o.fault ? o.fault.split(',')
		: o.bug.kinds ?? Object.keys(faults);
	for (const kind of o.kinds)
		if (!faults[kind])
			throw new Error(`no such fault: ${kind}`);
	o.via = o.via.split(',');
	for (const kind of o.via)
		if (!clientKinds.includes(kind))
			throw new Error(`no such client: ${kind}`);
	return o;
}

/* --- the parts of a run --- */

const say = (text) => console.log(text);

function settings(seed)
{
	const rng = new Rng(seed, 'settings');

	return {
		heartbeat_ms: rng.pick([3000, 20000]),
		history_events: rng.pick([20, 100, 1000]),
		feed_queue_max: rng.pick([65536, 262144]),
	};
}

/** Kitchens of their own with one session each. (lib/ reads the environment when it is loaded.) */
async function makeTenants(stack, n)
{
	Object.assign(process.env, stack.env);
	const { makeTenant } = await import('../lib/tenant.js');
	const tenants = [];

	for (let i = 0; i < n; i++) {
		const t = await makeTenant({ who: ['kepala'] });
		t.n = i;
		t.cookie = (await t.login('kepala')).cookie;
		tenants.push(t);
	}
	return tenants;
}

async function heads(stack, tenants)
{
	const rows = await stack.sqlUntilDone(`SELECT sppg_id, max(seq) AS seq FROM dapur.event
	    WHERE sppg_id = ANY ($1) GROUP BY sppg_id`, [tenants.map((t) => t.id)]);

	return Object.fromEntries(rows.map((row) => [row.sppg_id, Number(row.seq)]));
}

/**
 * The last act of each kitchen is committed and its publication lost: there
 * is no later one by which anybody could notice.
 */
async function lastActs({ stack, load, tenants, seed, how })
{
	const act = (name) => Promise.all(tenants.map((t) =>
		load.create(t, new Rng(seed, name, t.n), `${t.mark}-${name}`)));

	await act('last-but-one');
	const before = await heads(stack, tenants);
	if (how === 'denied') {
		await stack.redis((r) => r.call(...DENY));
		await act('last');
		await stack.redis((r) => r.call(...ALLOW));
		return;
	}
	await stack.redis((r) => r.call('CLIENT', 'PAUSE', '5000', 'WRITE'));
	const acts = act('last');
	for (let n = 0; n < 100; n++) {
		const now = await heads(stack, tenants);
		if (tenants.every((t) => now[t.id] > before[t.id]))
			break;
	}
	stack.kill(stack.workers('api'));
	await sleep(200);
	await stack.redis((r) => r.call('CLIENT', 'UNPAUSE'));
	await acts;
}

/** Until every client stands at its tenant's head; gives how long it took, or undefined. */
async function settle(clients, head, limit_ms)
{
	const began = Date.now();

	while (Date.now() < began + limit_ms) {
		if (clients.every((c) => c.seq === head[c.tenant.id]))
			return Date.now() - began;
		await sleep(20);
	}
	return undefined;
}

/** What a program says when it ends by its own fault. */
function crashes(folder)
{
	const said = /^.*(?:Assertion .* failed|AddressSanitizer|\.[ch]:\d+:\d+: runtime error|stack smashing|free\(\): |malloc\(\): ).*$/gm;

	return readdirSync(folder).filter((name) => name.endsWith('.log')).flatMap((name) =>
		[...readFileSync(join(folder, name), 'latin1').matchAll(said)]
			.slice(0, 3).map(([line]) => `${name}: ${line}`));
}

const sum = (list) => list.reduce((a, b) => a + b, 0);
const ms = (n) => (n < 1000 ? `${Math.round(n)} ms` : `${(n / 1000).toFixed(1)} s`);

/** How long each event took from its time stamp to each client that was asking for it. */
function delays(log, clients)
{
	const times = new Map();
	const all = [];

	for (const { sppg_id, seq, line } of log)
		times.set(`${sppg_id} ${seq}`, Date.parse(JSON.parse(line).timestamp));
	for (const c of clients)
		for (const r of c.records)
			if (r.seq !== undefined)
				all.push({ took: Math.max(0, r.at_ms - Math.max(times.get(`${c.tenant.id} ${r.seq}`) ?? r.at_ms,
				    r.since_ms)), at_ms: r.at_ms, client: c.name, seq: r.seq });
	return all.sort((a, b) => a.took - b.took);
}

function summary({ o, conf, load, dealt, clients, log, settled_ms, violations, seconds })
{
	const n = (name) => sum(clients.map((c) => c.counts[name]));
	const all = delays(log, clients);
	const at = (p) => (all.length ? ms(all[Math.min(all.length - 1, Math.floor(all.length * p))].took) : '-');
	const worst = all.at(-1);
	const c = load.counts;
	const hits = Object.entries(dealt.counts).sort();
	const during = worst ? dealt.log.filter((f) => f.hits > 0 && f.to_ms > worst.at_ms - worst.took
	    && f.from_ms < worst.at_ms).map((f) => f.kind) : [];

	say(`chaos      seed ${o.seed}, ${o.minutes} min${o.plant ? `, planted: ${o.plant}` : ''}; `
	    + Object.entries(conf).map(([k, v]) => `${k} ${v}`).join(', '));
	say(`actions    ${load.acts.filter((a) => a.acknowledged).length} acknowledged of ${load.acts.length}`
	    + ` in ${c.requests} requests: ${c.broken} broken off, ${c.replayed} already done when`
	    + ` asked again, ${c.resent} repeated on purpose; answers `
	    + Object.entries(c.answers).map(([k, v]) => `${k}: ${v}`).join(', ')
	    + `; slowest answer ${ms(c.slowest_ms)}`);
	say(`events     ${log.length} in the log of ${o.tenants} kitchens, ${all.length} deliveries to ${clients.length} clients`
	    + ` (${o.via.map((k) => `${clients.filter((x) => x.kind === k).length} ${k}`).join(', ')})`);
	say(`faults     ${sum(hits.map(([, v]) => v))}: ${hits.map(([k, v]) => `${k} ${v}`).join(', ') || 'none'}`);
	say(`reconnects ${n('dropped') + n('ended') + n('refused') + n('silent')}:`
	    + ` ${n('dropped')} dropped by the client, ${n('ended')} ended by the server, ${n('refused')} refused,`
	    + ` ${n('silent')} silent; ${n('resumed')} resumed from a position`);
	say(`delivery   p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${worst ? ms(worst.took) : '-'}`
	    + (worst ? ` (${worst.client}, seq ${worst.seq}, during ${[...new Set(during)].join(' ') || 'no fault'})` : ''));
	say(`settled    ${settled_ms === undefined ? `not within ${o['settle-s']} s` : `in ${ms(settled_ms)}`}`
	    + ` after the last act; the whole run took ${seconds} s`);
	for (const text of violations.slice(0, 12))
		say(`  !        ${text}`);
	if (violations.length > 12)
		say(`  !        and ${violations.length - 12} more`);
	say(violations.length === 0 ? 'verdict    nothing lost, nothing twice, nothing foreign'
		: `verdict    FAILED: ${violations.length} violations; again by: ./dev chaos --seed ${o.seed}`
		    + ` --minutes ${o.minutes}${o.fault ? ` --fault=${o.fault}` : ''}${o.plant ? ` --plant=${o.plant}` : ''}`);
}

async function work(o, stack, conf)
{
	const began = Date.now();
	const { seed } = o;
	const tenants = await makeTenants(stack, o.tenants);
	const firstSeq = await heads(stack, tenants);
	const { URL: url, WS_URL: wsUrl } = stack.env;
	const shared = { seed, url, wsUrl, origin: url, tenants, life_ms: o['life-ms'],
	    settling: false, stopping: false };
	const load = new Load({ seed, url, origin: url, stack, tenants, hands: o.hands,
	    think_ms: o['think-ms'], deadline_ms: 60_000 });
	const clients = Array.from({ length: o.clients }, (_, n) => new FeedClient(shared,
	    tenants[n % o.tenants], o.via[Math.floor(n / o.tenants) % o.via.length], n));
	const dealt = new Faults({ seed, stack, kinds: o.kinds, gap_ms: o['gap-ms'],
	    tell: o.verbose ? (text) => say(`${((Date.now() - began) / 1000).toFixed(1)} ${text}`) : undefined });

	const two = !o.bug.without && new Rng(seed, 'relays').chance(0.5);
	if (two)
		stack.standby();
	say(`    ${o.tenants} kitchens, ${o.clients} clients, ${two ? 2 : 1} relays,`
	    + ` ${o.kinds.length} kinds of faults, ${o.minutes} min`);
	const served = Promise.all(clients.map((c) => c.run()));
	const loaded = load.run();
	const faulted = dealt.run();
	await sleep(o.minutes * 60_000);
	dealt.stop();
	load.stop();
	await faulted;
	await stack.heal();
	await loaded;
	await lastActs({ stack, load, tenants, seed,
	    how: o.bug.last ?? new Rng(seed, 'last').pick(['denied', 'killed']) });
	shared.settling = true;
	const settled_ms = await settle(clients, await heads(stack, tenants), o['settle-s'] * 1000);
	await sleep(500);	/* would anything come twice? */
	shared.stopping = true;
	await served;

	const log = await stack.sqlUntilDone(`SELECT sppg_id, seq, line FROM dapur.event
	    WHERE sppg_id = ANY ($1) ORDER BY sppg_id, seq`, [tenants.map((t) => t.id)]);
	const violations = [...crashes(join(stack.varDir, 'log')), ...dealt.broken, ...load.trouble,
	    ...check({ log, firstSeq, acts: load.acts, clients })];
	summary({ o, conf, load, dealt, clients, log, settled_ms, violations,
	    seconds: Math.round((Date.now() - began) / 1000) });
	writeFileSync(join(stack.varDir, 'report.json'), JSON.stringify({ options: o, conf, violations,
	    faults: dealt.log, counts: load.counts, acts: load.acts,
	    clients: clients.map(({ name, slow, start, at, counts, trouble, records, others }) => ({ name, slow,
	        start, at, counts, trouble, records: records.slice(-500), others: others.slice(-50) })) }));
	return violations.length === 0 ? 0 : 1;
}

async function main()
{
	let o;

	try {
		o = options();
	} catch (error) {
		process.stderr.write(`chaos: ${error.message}\n${USAGE}`);
		return 100;
	}
	if (o.help) {
		process.stdout.write(USAGE);
		return 0;
	}
	const conf = settings(o.seed);
	const stack = new Stack({
		dev: join(top, 'dev'), varDir: o.var, without: o.bug.without,
		conf: Object.entries(conf).map(([k, v]) => `${k} = ${v}`).join('\n'),
	});
	const end = async (code) => {
		if (!o.keep)
			await stack.down().catch((error) => say(String(error)));
		process.exit(code);
	};
	for (const signal of ['SIGINT', 'SIGTERM'])
		process.once(signal, () => end(130));
	/* Whatever hangs: it ends, and so does the stack. */
	setTimeout(() => {
		say('chaos: it did not come to an end');
		end(111);
	}, o.minutes * 60_000 + 420_000).unref();
	try {
		if (o.bug.change) {
			say(`==> a copy of the tree with a planted bug: ${o.bug.what}`);
			stack.dev = await variant(top, `${o.var}-plant`, o.bug.change);
		}
		say(`==> a private stack in ${o.var}`);
		await stack.up({ reuse: o.reuse, build: o.bug.change ? undefined : process.env.DAPUR_BUILD_DIR });
		await end(await work(o, stack, conf));
	} catch (error) {
		say(`chaos: ${error.stack}`);
		await end(111);
	}
}

const code = await main();
if (code !== undefined)
	process.exit(code);
