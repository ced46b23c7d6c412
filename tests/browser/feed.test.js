/*
 * The page's feed module against a WebSocket that does what it is told: once,
 * in order, from the last position, whatever the line does.
 */
import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { until } from '../lib/wait.js';
import { pageModule } from './lib.js';

const { Feed } = await pageModule('feed.js');
const limits = {
	firstDelayMs: 16, maxDelayMs: 128, openMs: 1000, steadyMs: 0, probeMs: 1000,
};
const feeds = [];

class FakeSocket {
	sent = [];
	open = true;
	constructor(url) { this.url = url; FakeSocket.all.push(this); }
	send(text) { this.sent.push(text); }
	close() { this.open = false; }
	/* what the server does */
	say(frame) { this.onmessage({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) }); }
	fall() { this.open = false; this.onclose(); }
}

/** A started feed that writes down all it is told, and its first socket. */
function start(position = 'e.5', options = {})
{
	const saw = { events: [], hints: [], resets: [], ends: [], delays: [] };
	FakeSocket.all = [];
	const feed = new Feed({
		url: 'ws://kitchen/api/ws', WebSocket: FakeSocket, random: () => 1,
		onEvent: (event) => saw.events.push(event.seq),
		onHint: (message) => saw.hints.push(message),
		onReset: (reason) => saw.resets.push(reason),
		onEnd: (code) => saw.ends.push(code),
		onState: ({ state, retryAt }) => state === 'waiting' &&
		    saw.delays.push(retryAt - Date.now()),
		...options, limits: { ...limits, ...options.limits },
	});
	feeds.push(feed);
	feed.start(position);
	return { feed, saw, socket: FakeSocket.all[0] };
}

const event = (seq) => ({ type: 'status_changed', seq, position: `e.${seq}`, topic: 'production' });
const connected = { type: 'connected', position: 'e.5', head: 'e.5', heartbeatMs: 1000 };
const sockets = (n) => until(`socket ${n}`, () => FakeSocket.all[n - 1]);
const after = (socket) => new URL(socket.url).searchParams.get('after');

describe('feed', () => {
	afterEach(() => feeds.splice(0).forEach((feed) => feed.stop()));

	test('applies each event once and moves its position', () => {
		const { feed, saw, socket } = start();

		assert.equal(after(socket), 'e.5');
		socket.say(connected);
		assert.equal(feed.state.state, 'live');
		for (const seq of [6, 7, 7, 6, 8])
			socket.say(event(seq));
		assert.deepEqual(saw.events, [6, 7, 8]);
		assert.equal(feed.position, 'e.8');
	});

	test('refused without a word: asks, and ends when there is no session', async () => {
		const { feed, saw, socket } = start('e.5', { onRefused: async () => false });

		socket.fall();
		await until('the end', () => saw.ends.length);
		assert.deepEqual(saw.ends, ['UNAUTHORIZED']);
		assert.equal(feed.state.state, 'off');
	});

	test('no WebSocket here: Server-Sent Events after the same position', async () => {
		class FakeSource extends FakeSocket {
			named = new Map();
			addEventListener(type, run) { this.named.set(type, run); }
			say(frame) {
				const run = this.named.get(frame.type) ?? this.onmessage;

				run({ data: JSON.stringify(frame) });
			}
			fall() { this.onerror(); }
		}
		const { feed, saw, socket } = start('e.5',
			{ eventsUrl: 'http://kitchen/api/events', EventSource: FakeSource, onRefused: async () => true });

		socket.fall();
		(await sockets(2)).fall();
		const source = await sockets(3);

		assert.equal(source.url, 'http://kitchen/api/events?after=e.5');
		source.say(connected);
		source.say(event(6));
		assert.equal(feed.state.state, 'live');
		assert.deepEqual(saw.events, [6]);
		source.fall();
		assert.equal((await sockets(4)).url, 'http://kitchen/api/events?after=e.6');
	});

	test('without a position goes live from where the server says', () => {
		const { feed, socket } = start(null);

		assert.equal(after(socket), null);
		socket.say(connected);
		assert.equal(feed.position, 'e.5');
	});

	test('a lost line is opened again after the last event, and its ghost is not heard', async () => {
		const { saw, socket } = start();

		socket.say(connected);
		socket.say(event(6));
		socket.fall();
		const second = await sockets(2);
		assert.equal(after(second), 'e.6');
		socket.say(event(7));
		socket.fall();
		assert.deepEqual(saw.events, [6]);
		second.say(connected);
		second.say(event(6));
		second.say(event(7));
		assert.deepEqual(saw.events, [6, 7]);
		assert.equal(FakeSocket.all.length, 2);
	});

	test('the delays double up to their most, and begin anew after a steady line', async () => {
		const { saw, socket } = start();

		socket.fall();
		for (let n = 2; n <= 6; n++)
			(await sockets(n)).fall();
		const rounded = saw.delays.map((ms) => 2 ** Math.round(Math.log2(ms)));
		assert.deepEqual(rounded, [16, 32, 64, 128, 128, 128]);
		const live = await sockets(7);
		live.say(connected);
		live.fall();
		assert.ok(saw.delays.at(-1) <= 16, `${saw.delays}`);
	});

	test('half of a delay is random', () => {
		const { saw, socket } = start('e.5', { random: () => 0, limits: { firstDelayMs: 1000, maxDelayMs: 1000 } });

		socket.fall();
		assert.ok(saw.delays[0] > 400 && saw.delays[0] <= 500, `${saw.delays}`);
	});

	test('a hole is asked for again; a hole that stays is a reset', async () => {
		const { feed, saw, socket } = start();

		socket.say(connected);
		socket.say(event(6));
		socket.say(event(8));
		assert.deepEqual(saw.events, [6]);
		assert.equal(socket.open, false);
		const second = await sockets(2);
		assert.equal(after(second), 'e.6');
		second.say(connected);
		second.say(event(8));
		assert.deepEqual(saw.resets, ['HOLE']);
		assert.equal(feed.state.state, 'off');
	});

	test('two heartbeats ahead of an unmoved position mean a lost event', async () => {
		const { socket } = start();

		socket.say(connected);
		socket.say({ type: 'heartbeat', position: 'e.5' });
		socket.say({ type: 'heartbeat', position: 'e.6' });
		assert.equal(socket.open, true);
		socket.say(event(6));
		socket.say({ type: 'heartbeat', position: 'e.7' });
		assert.equal(socket.open, true);
		socket.say({ type: 'heartbeat', position: 'e.7' });
		assert.equal(socket.open, false);
		assert.equal(after(await sockets(2)), 'e.6');
	});

	test('silence ends a line', async () => {
		const { socket } = start();

		socket.say({ ...connected, heartbeatMs: 4 });
		await sockets(2);
		assert.equal(socket.open, false);
	});

	test('a reset closes the feed until start() with a new position', () => {
		const { feed, saw, socket } = start();

		socket.say(connected);
		socket.say({ type: 'reset', reason: 'TOO_OLD', head: 'f.9' });
		assert.deepEqual(saw.resets, ['TOO_OLD']);
		assert.equal(socket.open, false);
		feed.start('f.9');
		assert.equal(after(FakeSocket.all[1]), 'f.9');
		FakeSocket.all[1].say(connected);
		FakeSocket.all[1].say(event(2));
		assert.deepEqual(saw.events, [2]);
	});

	test('disconnect ends for good only when the server says so', async () => {
		const { saw, socket } = start();

		socket.say(connected);
		socket.say({ type: 'disconnect', code: 'SLOW_CONSUMER', message: '', reconnect: true });
		const second = await sockets(2);
		second.say({ type: 'disconnect', code: 'UNAUTHORIZED', message: '', reconnect: false });
		assert.deepEqual(saw.ends, ['UNAUTHORIZED']);
		second.fall();
		assert.equal(feeds[0].state.state, 'off');
		assert.equal(FakeSocket.all.length, 2);
	});

	test('a planned restart is waited for as long as the server says', async () => {
		const { saw, socket } = start();

		socket.say(connected);
		socket.say({ type: 'reconnect', afterMs: 50 });
		assert.equal(socket.open, false);
		assert.ok(saw.delays[0] > 40 && saw.delays[0] <= 50, `${saw.delays}`);
		await sockets(2);
	});

	test('a message without seq is a hint; what is no frame is nothing', () => {
		const { feed, saw, socket } = start();

		socket.say(connected);
		socket.say({ type: 'production_created', data: { id: 'x' } });
		for (const text of ['{', 'null', '7', '"x"', '[]', 'PING'])
			socket.say(text);
		assert.deepEqual(saw.hints.map((message) => message.data.id), ['x']);
		assert.deepEqual(saw.events, []);
		assert.deepEqual(socket.sent, ['PONG']);
		assert.equal(feed.position, 'e.5');
	});

	test('an event that cannot be applied is a reset, not a skip', (t) => {
		t.mock.method(console, 'error', () => {});
		const { feed, saw, socket } = start('e.5', { onEvent: () => { throw new Error('no'); } });

		socket.say(connected);
		socket.say(event(6));
		assert.deepEqual(saw.resets, ['NOT_APPLIED']);
		assert.equal(feed.position, 'e.5');
	});

	test('check() retries at once when waiting, and asks a quiet line', async () => {
		const { feed, socket } = start('e.5', { limits: { firstDelayMs: 60_000, maxDelayMs: 60_000, probeMs: 4 } });

		socket.fall();
		feed.check();
		const second = await sockets(2);
		second.say(connected);
		feed.check();
		assert.deepEqual(second.sent, ['{"type":"ping"}']);
		await until('the end of a line that does not answer', () => !second.open);
	});
});
