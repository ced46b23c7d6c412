/* What goes over an open stream besides events: pings, and whatever a client may send. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { create } from '../lib/production.js';
import { suite } from '../lib/suite.js';
import { open } from '../lib/stream.js';
import { makeTenant } from '../lib/tenant.js';
import { within } from '../lib/wait.js';

suite('frames', () => {
	let t, c;

	before(async () => {
		t = await makeTenant({ who: ['kepala'] });
		c = await t.login('kepala');
	});
	const alive = async (s) => {
		const p = await create(c, t);
		return s.next((f) => f.productionId === p.id);
	};

	test('PING gets PONG, {"type":"ping"} gets {"type":"pong"}', async () => {
		const s = await open(c);

		s.send('PING');
		await s.next((f) => f.text === 'PONG');
		s.send({ type: 'ping' });
		await s.next('pong');
		s.send('{"type": "ping"}');	/* as Python's json.dumps writes it */
		await s.next('pong');
		await alive(s);
	});

	test('a WebSocket ping frame gets its pong', async () => {
		const s = await open(c);
		const pong = new Promise((resolve) => s.socket.once('pong', resolve));

		s.socket.ping();
		await within(15_000, 'pong', pong);
	});

	test('a burst of pings gets as many pongs', async () => {
		const s = await open(c);

		for (let n = 0; n < 500; n++)
			s.send('PING');
		for (let n = 0; n < 500; n++)
			await s.next((f) => f.text === 'PONG');
		await alive(s);
	});

	test('nonsense from a client changes nothing', async () => {
		const s = await open(c);

		for (const text of ['', ' ', 'PINGPING', 'PONG', '{', '[]', 'null', '{"type":5}', '{"type":"connected"}',
		    '{"type":"subscribe","channel":"production:updates:x"}', 'a\nb\nc', 'PUBLISH x y', '\u0000', '\ud83c\udf5b',
		    '{"type":"production_created","data":{}}', '['.repeat(60_000)])
			s.send(text);
		s.socket.send(Buffer.from([0, 255, 10, 254, 13, 10]));
		await alive(s);
		assert.deepEqual(s.events.map((f) => f.type), ['production_created']);
	});

	test('a client line over 64 KiB ends its stream, or is dropped; others do not notice', async () => {
		const [s, other] = [await open(c), await open(c)];

		s.send('x'.repeat(200_000));
		await alive(other);
		if (!s.ended) {
			s.send('PING');
			const last = await s.next((f) => f.text === 'PONG' || f.type === 'disconnect');
			if (last.type === 'disconnect')
				await within(15_000, 'the end', s.closed);
		}
		assert.ok(!s.lines.some((line) => line.includes('xxxx')));
	});

	test('a megabyte without a newline, ten times', async () => {
		const [s, other] = [await open(c), await open(c)];

		for (let n = 0; n < 10 && !s.ended; n++)
			s.send(Buffer.alloc(1 << 20, 0x61));
		await alive(other);
	});

	test('a client that leaves, politely or not, leaves no trace for others', async () => {
		const other = await open(c);
		const rude = await open(c);
		const polite = await open(c);

		rude.socket.terminate();
		await polite.close();
		await alive(other);
	});
});
