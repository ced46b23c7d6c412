/*
 * N SSE streams and N WebSockets of 20 kitchens at once, all through nginx: what they cost in memory, and how long an
 * event takes from the POST to the last client of its kitchen. Then N WebSockets to a plain Node server on the same
 * Redis, in the same run. One process holds all clients: its own time is in every figure, theirs too.
 */
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { spawn } from 'node:child_process';
import WebSocket from 'ws';
import { family, kitchen, markdown, median, ms, n0, origin, percentile, pidOf, program, redisUrl, sessions, sleep, smaps,
	url, wsUrl } from './lib.js';
import { create } from './screen.js';

const TENANTS = 20;
const CREATES = 100;
const AT_ONCE = 100; /* connections being opened */

/* The events on their way: id -> { due, last, done }. A client may have the frame before we have the reply. */
const seen = new Map();

function arrived(line)
{
	const id = line.match(/^\{"type":"production_created".*?"productionId":"([^"]+)"/)?.[1];

	if (!id)
		return;
	const e = seen.get(id) ?? { n: 0, last: 0 };

	e.n++;
	e.last = performance.now();
	seen.set(id, e);
}

const webSocket = (address, options) => new Promise((resolve, reject) => {
	const socket = new WebSocket(address, { perMessageDeflate: false, ...options });

	socket.once('error', reject);
	socket.once('message', () => resolve({ close: () => socket.terminate() }));
	if (!options.headers) /* the plain server sends no first frame */
		socket.once('open', () => resolve({ close: () => socket.terminate() }));
	socket.on('message', (bytes) => arrived(String(bytes)));
});

/** As a browser does: again after a moment when the server says so. */
async function again(open)
{
	for (let i = 1;; i++) {
		try {
			return await open();
		} catch (e) {
			if (i === 5)
				throw e;
			refused++;
			await sleep(500);
		}
	}
}

let refused = 0;
const agent = new http.Agent({ keepAlive: false, maxSockets: Infinity });

const sse = (token) => again(() => new Promise((resolve, reject) => {
	const request = http.get(`${url}/api/events`, { agent, headers: { accept: 'text/event-stream',
		cookie: `dapur_session=${token}` } }, (reply) => {
		let rest = '';

		if (reply.statusCode !== 200)
			reject(new Error(`GET /api/events: ${reply.statusCode}`));
		reply.setEncoding('utf8');
		reply.on('error', () => {});
		reply.on('data', (text) => {
			const lines = (rest + text).split('\n');

			rest = lines.pop();
			for (const line of lines) {
				if (!line.startsWith('data:'))
					continue;
				const frame = line.slice(5).trimStart();

				if (frame.startsWith('{"type":"disconnect"'))
					reject(new Error(frame));
				else if (frame.startsWith('{"type":"connected"'))
					resolve({ close: () => request.destroy() });
				else
					arrived(frame);
			}
		});
	});

	request.on('error', reject);
}));

async function openAll(n, open)
{
	const clients = [];
	const began = performance.now();

	for (let i = 0; i < n; i += AT_ONCE)
		clients.push(...await Promise.all(Array.from({ length: Math.min(AT_ONCE, n - i) }, (_, j) => open(i + j))));
	return { clients, seconds: (performance.now() - began) / 1000 };
}

/* --- memory --- */

const kernel = () => {
	const info = readFileSync('/proc/meminfo', 'latin1');
	const kb = (name) => Number(info.match(new RegExp(`^${name}:\\s+(\\d+)`, 'm'))?.[1] ?? 0);

	return kb('Slab') + kb('PageTables') + kb('KernelStack');
};
const pss = (pids) => pids.reduce((sum, pid) => sum + smaps(pid, 'Pss'), 0);
const nameOf = (pid) => {
	try {
		return readFileSync(`/proc/${pid}/comm`, 'latin1').trim();
	} catch {
		return '';
	}
};

function memory()
{
	const below = family(pidOf('websocketd'));
	const streams = below.filter((pid) => nameOf(pid).startsWith('dapur-stream'));

	return { events: pss(family(pidOf('events'))), websocketd: pss(below.filter((pid) => !streams.includes(pid))),
		streams: pss(streams), nginx: pss(family(pidOf('nginx'))), redis: pss(family(pidOf('redis'))), kernel: kernel() };
}

const less = (a, b) => Object.fromEntries(Object.keys(a).map((name) => [name, a[name] - b[name]]));
const total = (m) => Object.values(m).reduce((a, b) => a + b, 0);

/* --- delivery --- */

/** `due` clients of each kitchen: from the POST to the last of them, CREATES times, one after the other. */
async function deliver(tokens, due)
{
	const last = [];
	let missing = 0;

	for (let i = 0; i < CREATES; i++) {
		const c = await create(tokens[i % TENANTS], 10 + i % 18);
		const until = performance.now() + 5000;

		while ((seen.get(c.id)?.n ?? 0) < due(i % TENANTS) && performance.now() < until)
			await sleep(2);
		const e = seen.get(c.id) ?? { n: 0, last: Infinity };

		missing += due(i % TENANTS) - e.n;
		last.push({ post: e.last - c.sent, reply: e.last - c.replied });
	}
	return { p50_ms: median(last.map((x) => x.post)), p99_ms: percentile(last.map((x) => x.post), 99),
		after_reply_p50_ms: median(last.map((x) => x.reply)), after_reply_p99_ms: percentile(last.map((x) => x.reply), 99), missing };
}

const share = (n) => (k) => Math.floor(n / TENANTS) + (k < n % TENANTS ? 1 : 0);

async function step(name, n, open, tokens, due)
{
	const before = memory();
	const { clients, seconds } = await openAll(n, open);

	await sleep(1000);
	const used = less(memory(), before);

	process.stdout.write(`    ${n} ${name} up in ${seconds.toFixed(1)} s\n`);
	return { clients, seconds, used, per_stream_kb: total(used) / n };
}

export async function measure({ streams: n })
{
	/* what earlier clients left in memory is not these clients' */
	await program(process.env.DAPUR_DEV, ['restart', 'events', 'websocketd', 'nginx']);
	const tokens = (await sessions()).slice(0, TENANTS);
	const events = { sse: null, ws: null };

	for (const token of tokens) /* warm: the worker, and the cache of sessions */
		await create(token);
	events.sse = await step('SSE streams', n, (i) => sse(tokens[i % TENANTS]), tokens);
	events.sse_alone = await deliver(tokens, share(n));
	events.ws = await step('WebSockets', n, (i) => webSocket(wsUrl, { origin, headers: {
		cookie: `dapur_session=${tokens[i % TENANTS]}` } }), tokens);
	events.both = await deliver(tokens, (k) => 2 * share(n)(k));
	for (const c of events.sse.clients)
		c.close();
	await sleep(1000);
	events.ws_alone = await deliver(tokens, share(n));
	for (const c of events.ws.clients)
		c.close();
	await sleep(3000);

	/* Node, as much as it can: straight to it, no nginx between. */
	const peer = spawn(process.execPath, [new URL('node-ws.js', import.meta.url).pathname],
		{ stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, REDIS_URL: redisUrl } });

	try {
		const port = Number(await new Promise((resolve) => peer.stdout.once('data', resolve)));
		const before = smaps(peer.pid, 'Pss');
		const kernelBefore = kernel();
		const { clients, seconds } = await openAll(n, (i) => webSocket(`ws://127.0.0.1:${port}/${kitchen(i % TENANTS)}`, {}));

		await sleep(1000);
		const grown = smaps(peer.pid, 'Pss') - before;

		events.node = { seconds, whole_kb: smaps(peer.pid, 'Pss'), per_stream_kb: (grown + kernel() - kernelBefore) / n,
			...await deliver(tokens, share(n)) };
		for (const c of clients)
			c.close();
	} finally {
		peer.kill();
	}
	events.refused = refused;
	delete events.sse.clients;
	delete events.ws.clients;
	return { streams: n, tenants: TENANTS, ...events };
}

export function table(f)
{
	const parts = (u) => Object.entries(u).filter(([, kb]) => Math.abs(kb) > 100)
		.map(([name, kb]) => `${name} ${(kb / 1024).toFixed(1)}`).join(', ');
	const delivery = (name, d) => [name, ms(d.p50_ms), ms(d.p99_ms), ms(d.after_reply_p50_ms), ms(d.after_reply_p99_ms), d.missing];

	return [markdown([`${n0(f.streams)} streams of ${f.tenants} kitchens`, 'up in s', 'KiB each', 'of which MiB'], [
		['SSE through nginx, one events.fcgi', f.sse.seconds.toFixed(1), f.sse.per_stream_kb.toFixed(1), `${parts(f.sse.used)}${f.refused ? `; ${f.refused} were told to try again` : ''}`],
		['WebSocket through nginx and websocketd', f.ws.seconds.toFixed(1), f.ws.per_stream_kb.toFixed(1), parts(f.ws.used)],
		['WebSocket to a plain Node server, no front', f.node.seconds.toFixed(1), f.node.per_stream_kb.toFixed(1),
			`whole process ${(f.node.whole_kb / 1024).toFixed(0)}`]]),
	markdown(['POST sent to the last client of the kitchen', 'p50 ms', 'p99 ms', 'after the reply p50', 'p99', 'missing'], [
		delivery(`${n0(f.streams)} SSE`, f.sse_alone), delivery(`${n0(f.streams)} SSE and ${n0(f.streams)} WebSockets`, f.both),
		delivery(`${n0(f.streams)} WebSockets`, f.ws_alone), delivery(`${n0(f.streams)} WebSockets, plain Node`, f.node)])].join('\n\n');
}
