/*
 * From a cook's click to another screen of the kitchen: from the POST's sending to the WebSocket frame in hand, at 50
 * creates a second, through nginx and websocketd; beside Redis alone, publish to subscribe, in turn with it.
 */
import http from 'node:http';
import Redis from 'ioredis';
import WebSocket from 'ws';
import { markdown, ms, origin, percentile, redisUrl, sessions, sleep, Tally, url, wsUrl } from './lib.js';

const RATE = 50;
const agent = new http.Agent({ keepAlive: true });

/** POST a production; out: { id, sent, replied } in ms. */
export function create(token, day = 10)
{
	const body = JSON.stringify({ programId: '1', menuId: '1', productionDate: `2026-10-${day}`, plannedPortions: 100,
		headCook: '1', plannedStartTime: '2026-10-10T01:00:00Z', plannedEndTime: '2026-10-10T05:00:00Z' });
	const sent = performance.now();

	return new Promise((resolve, reject) => {
		const request = http.request(`${url}/api/production`, { method: 'POST', agent, headers: {
			'cookie': `dapur_session=${token}`, 'content-type': 'application/json', origin,
			'content-length': Buffer.byteLength(body) } }, (reply) => {
			const replied = performance.now();
			const parts = [];

			reply.on('data', (part) => parts.push(part));
			reply.on('end', () => {
				const text = Buffer.concat(parts).toString();

				if (reply.statusCode !== 201)
					reject(new Error(`create: ${reply.statusCode} ${text}`));
				else
					resolve({ id: JSON.parse(text).data.id, sent, replied });
			});
		});

		request.on('error', reject);
		request.end(body);
	});
}

const opened = (socket) => new Promise((resolve, reject) => {
	socket.once('open', resolve);
	socket.once('error', reject);
});

export async function measure({ seconds })
{
	const [token] = await sessions();
	const arrived = new Map();
	const [connected, frames] = [new Tally(), new Tally()];
	const socket = new WebSocket(`${wsUrl}`, { origin, headers: { cookie: `dapur_session=${token}` } });
	const publisher = new Redis(redisUrl);
	const subscriber = new Redis(redisUrl);
	const replies = [];
	const raw = [];

	socket.on('message', (bytes) => {
		const now = performance.now();
		const frame = JSON.parse(bytes);

		if (frame.type === 'connected')
			connected.add();
		if (frame.type !== 'production_created')
			return;
		arrived.set(frame.productionId, now);
		frames.add();
	});
	subscriber.on('message', (_, text) => raw.push(performance.now() - Number(text)));
	await Promise.all([opened(socket), subscriber.subscribe('bench:raw')]);
	if (!await connected.reach(1, 10_000))
		throw new Error('the stream does not connect');
	for (let i = 0; i < RATE; i++) /* connections, plans and caches get warm */
		await create(token);
	const began = performance.now();

	for (let i = 0; i < seconds * RATE; i++) {
		await sleep(Math.max(0, began + i * 1000 / RATE - performance.now()));
		replies.push(create(token));
		await sleep(500 / RATE);
		publisher.publish('bench:raw', String(performance.now()));
	}
	const created = await Promise.all(replies);

	await frames.reach(RATE + created.length, 2000);
	socket.close();
	publisher.disconnect();
	subscriber.disconnect();
	agent.destroy();
	const lost = created.filter((c) => !arrived.has(c.id)).length;
	const seen = created.filter((c) => arrived.has(c.id));
	const figures = (list) => ({ p50_ms: percentile(list, 50), p99_ms: percentile(list, 99), max_ms: Math.max(...list) });

	return { creates: created.length, lost,
		screen: figures(seen.map((c) => arrived.get(c.id) - c.sent)),
		reply: figures(created.map((c) => c.replied - c.sent)),
		after_reply: figures(seen.map((c) => arrived.get(c.id) - c.replied)),
		redis: figures(raw) };
}

export function table(f)
{
	const row = (name, x) => [name, ms(x.p50_ms), ms(x.p99_ms), ms(x.max_ms)];

	return markdown([`one kitchen, ${RATE} creates a second, ${f.creates} of them, ${f.lost} lost`, 'p50 ms', 'p99 ms', 'max ms'], [
		row('POST sent to WebSocket frame in hand (commit included)', f.screen),
		row('POST sent to its reply', f.reply),
		row('Redis alone, publish to subscribe', f.redis)]);
}
