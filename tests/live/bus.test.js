/* Redis as programs beside us use it: the seed's channel and payload, both ways. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { written } from '../lib/expect.js';
import { create, setStatus } from '../lib/production.js';
import { listen, redis } from '../lib/redis.js';
import { suite } from '../lib/suite.js';
import { open } from '../lib/stream.js';
import { makeTenant } from '../lib/tenant.js';
import { until } from '../lib/wait.js';

suite('the bus', () => {
	let t, u, c;

	before(async () => {
		[t, u] = [await makeTenant({ who: ['kepala'] }), await makeTenant({ who: ['kepala'] })];
		c = await t.login('kepala');
	});

	test('a plain ioredis subscriber hears production:updates:<sppgId> with type and data', async () => {
		const bus = await listen(`*${t.id}*`);
		const r = await c.post('/api/production', t.input());
		const p = written(r, 201);
		const { channel, text } = await bus.next((m) => m.text.includes(p.id));
		const message = JSON.parse(text);

		assert.equal(channel, `production:updates:${t.id}`);
		assert.equal(message.type, 'production_created');
		assert.deepEqual(message.data, p);
		assert.equal(message.position, r.body.position);
		assert.ok(!text.includes('\n'));

		written(await setStatus(c, p.id, 'PREPARING'));
		const next = JSON.parse((await bus.next((m) => m.text.includes('status_changed'))).text);
		assert.equal(next.data.status, 'PREPARING');
		assert.deepEqual([...new Set(bus.messages.map((m) => m.channel))], [channel]);
		assert.equal(bus.messages.length, 2, 'each event is published once');
	});

	test('a plain publish of {type,data} arrives at the browser unchanged, and nowhere else', async () => {
		const [mine, theirs] = [await open(c), await open(await u.login('kepala'))];
		const client = await redis();
		const text = JSON.stringify({ type: 'production_created',
		    data: { id: `from-next-${t.mark}`, name: 'Nasi "Goreng" é \u{1f35b}', n: [1, { x: null }] } });

		await client.publish(`production:updates:${t.id}`, text);
		const frame = await mine.next((f) => f.data?.id === `from-next-${t.mark}`);
		assert.equal(mine.lines[mine.frames.indexOf(frame)], text);
		assert.deepEqual(frame, JSON.parse(text));

		const v = await create(await u.login('kepala'), u);
		await theirs.next((f) => f.productionId === v.id);
		assert.ok(!theirs.lines.some((line) => line.includes(t.mark)));
	});

	test('foreign messages do not disturb the order of ours', async () => {
		const s = await open(c);
		const client = await redis();
		const all = [];

		for (let n = 0; n < 20; n++) {
			all.push(client.publish(`production:updates:${t.id}`, JSON.stringify({ type: 'x', data: n })));
			all.push(create(c, t));
		}
		await Promise.all(all);
		await until('20 + 20 frames', () => s.events.length === 20
		    && s.frames.filter((f) => f.type === 'x').length === 20);
		const seqs = s.events.map((f) => f.seq);
		assert.deepEqual(seqs, seqs.map((_, n) => seqs[0] + n));
		assert.deepEqual(s.frames.filter((f) => f.type === 'x').map((f) => f.data),
		    Array.from({ length: 20 }, (_, n) => n));
	});

	test('what is no JSON line on a channel never breaks a stream', async () => {
		const s = await open(c);
		const client = await redis();

		for (const text of ['', 'plain text', '{"type":"a"}\n{"type":"b"}', '{', '[]', '5',
		    Buffer.from([0xff, 0xfe, 0x7b, 0x7d]), '\0', '{"seq":"x","type":"y"}',
		    `{"type":"big","data":"${'x'.repeat(2 << 20)}"}`, '{"type":"y","data":1}\r'])
			await client.publish(`production:updates:${t.id}`, text);
		const p = await create(c, t);
		await s.next((f) => f.productionId === p.id);
		for (const frame of s.frames)
			assert.equal(frame.text, undefined, `not JSON at the browser: ${frame.text?.slice(0, 80)}`);
	});

	test('a forged event with a seq of the future does not hide ours', async () => {
		const s = await open(c);
		const client = await redis();
		const epoch = s.connected.head.split('.')[0];

		for (const seq of [1, 999_999_999, -1, 0, 1.5, '7'])
			await client.publish(`production:updates:${t.id}`, JSON.stringify({
				type: 'production_created', seq, position: `${epoch}.${seq}`, data: { id: 'forged' } }));
		const p = await create(c, t);
		await s.next((f) => f.productionId === p.id);
	});

	test('the history in Redis: the last events of the tenant, by seq, and the head', async () => {
		const client = await redis();
		const r = await c.post('/api/production', t.input());
		const p = written(r, 201);
		const [epoch, seq] = r.body.position.split('.');

		await until('the event in the history', async () =>
			(await client.zrangebyscore(`dapur:{${t.id}}:log`, seq, seq)).length === 1);
		const [line] = await client.zrangebyscore(`dapur:{${t.id}}:log`, seq, seq);
		assert.equal(JSON.parse(line).productionId, p.id);
		assert.equal(await client.get(`dapur:{${t.id}}:head`), `${epoch}.${seq}`);
	});

	test('no token of a session stands in Redis', async () => {
		const client = await redis();
		await (await open(c)).close();
		const keys = await client.keys('*');

		assert.ok(keys.length > 0);
		assert.ok(!keys.some((key) => key.includes(c.token)));
		assert.ok(keys.some((key) => key.startsWith('dapur:session:')));
	});
});
