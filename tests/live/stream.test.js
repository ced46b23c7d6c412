/* The whole chain: an action commits, every screen of that kitchen sees it, no other does. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { owner } from '../lib/db.js';
import { position, written } from '../lib/expect.js';
import { relayed } from '../lib/log.js';
import { addCheck, create, insert, read, setStatus } from '../lib/production.js';
import { redis } from '../lib/redis.js';
import { suite } from '../lib/suite.js';
import { open } from '../lib/stream.js';
import { makeTenant } from '../lib/tenant.js';

suite('the stream', () => {
	let t, u, c, d;
	/* Live begins at Redis' head: the rows of a new kitchen are relayed before a test counts events. */
	const settled = async (options) => {
		const made = await makeTenant(options);
		await relayed(await redis(), made);
		return made;
	};

	before(async () => {
		[t, u] = [await settled(), await settled()];
		[c, d] = [await t.login('kepala'), await u.login('kepala')];
	});

	/* After this, whatever was sent before has arrived where it ever will. */
	const settle = async (stream, client, tenant) => {
		const p = await create(client, tenant);
		return stream.next((f) => f.productionId === p.id);
	};
	const clean = (stream, own, other) => {
		for (const frame of stream.events)
			assert.equal(frame.sppgId, own.id);
		for (const line of stream.lines)
			assert.ok(!line.includes(other.mark), 'bytes of another tenant');
	};

	test('connected comes first: position, head, heartbeatMs, topics, user', async () => {
		const r = await c.get('/api/production');
		const s = await open(c);
		const hello = s.connected;

		assert.deepEqual(position(hello.head), position(r.headers['x-stream-position']));
		assert.deepEqual(position(hello.position), position(hello.head));
		assert.ok(hello.heartbeatMs >= 100 && hello.heartbeatMs <= 60_000);
		assert.deepEqual([...hello.topics].sort(), ['menu', 'production', 'program', 'staff']);
		assert.ok(JSON.stringify(hello.user).includes(t.people.kepala.id));
		assert.ok(!s.lines[0].includes(c.token));
		await s.close();
	});

	test('every action arrives at each screen of its kitchen and never at the other', async () => {
		const mine = [await open(c), await open(await t.login('viewer')), await open(c)];
		const theirs = await open(d);
		const answers = [];
		const step = async (answer, status = 200) => {
			const r = await answer;
			written(r, status);
			answers.push(r);
			return r.body.data;
		};

		const p = await step(c.post('/api/production', t.input()), 201);
		await step(c.patch(`/api/production/${p.id}`, { notes: 'pedas' }));
		await step(c.put('/api/production', { id: p.id, priority: 'HIGH' }));
		await step(setStatus(c, p.id, 'PREPARING'));
		await step(setStatus(c, p.id, 'COOKING'));
		const check = await step(addCheck(c, p.id, { checkType: 'HYGIENE' }), 201);
		await step(setStatus(c, p.id, 'QUALITY_CHECK'));
		const end = await step(setStatus(c, p.id, 'COMPLETED', { actualPortions: 1 }));
		const gone = await step(c.post('/api/production', t.input()), 201);
		await step(c.delete(`/api/production/${gone.id}`));

		for (const s of mine) {
			const got = [];
			while (got.length < answers.length)
				got.push(await s.next((f) => Number.isInteger(f.seq)));
			assert.deepEqual(got.map((f) => f.type), ['production_created', 'production_updated',
			    'production_updated', 'status_changed', 'status_changed', 'quality_check_added',
			    'status_changed', 'status_changed', 'production_created', 'production_deleted']);
			got.forEach((frame, n) => {
				assert.equal(frame.position, answers[n].body.position);
				assert.equal(frame.topic, 'production');
				assert.equal(frame.sppgId, t.id);
				assert.equal(frame.userId, t.people.kepala.id);
				assert.ok(Number.isFinite(Date.parse(frame.timestamp)));
				if (frame.type !== 'production_deleted')
					assert.deepEqual(frame.data, answers[n].body.data);
				if (n > 0)
					assert.equal(frame.seq, got[n - 1].seq + 1);
			});
			assert.deepEqual([got[7].from, got[7].to], ['QUALITY_CHECK', 'COMPLETED']);
			assert.equal(got[5].data.id, check.id);
			assert.equal(got[5].production.qualityPassed, true);
			assert.deepEqual(got[7].data, await read(c, end.id));
			assert.equal(got[9].productionId, gone.id);
		}

		await settle(theirs, d, u);
		await settle(mine[0], c, t);
		assert.equal(theirs.events.length, 1, 'the other kitchen saw its own and nothing else');
		clean(theirs, u, t);
		mine.forEach((s) => clean(s, t, u));
	});

	test('two kitchens busy at once: each sees all of its own, in order', async () => {
		const [a, b] = [await open(c), await open(d)];
		const made = await Promise.all(Array.from({ length: 40 }, async (_, n) => {
			const [client, tenant] = n % 2 ? [c, t] : [d, u];
			return (await create(client, tenant)).id;
		}));

		for (const [s, own, other, odd] of [[a, t, u, 1], [b, u, t, 0]]) {
			const want = new Set(made.filter((_, n) => n % 2 === odd));
			const first = s.events[0]?.seq;
			while (want.size > 0)
				want.delete((await s.next((f) => Number.isInteger(f.seq))).productionId);
			const seqs = s.events.map((f) => f.seq);
			assert.deepEqual(seqs, seqs.map((_, n) => (first ?? seqs[0]) + n));
			assert.equal(s.events.length, 20, s.lines.map((line) => line.slice(0, 120)).join('\n'));
			clean(s, own, other);
		}
	});

	test('64 concurrent creates: none lost, none twice, in order', async () => {
		const v = await settled({ who: ['dapur', 'viewer'] });
		const client = await v.login('dapur');
		const s = await open(await v.login('viewer'));
		const start = position(s.connected.head).seq;
		const made = await Promise.all(Array.from({ length: 64 }, () => create(client, v)));
		const got = [];

		while (got.length < 64)
			got.push(await s.next((f) => Number.isInteger(f.seq)));
		assert.deepEqual(got.map((f) => f.seq), Array.from({ length: 64 }, (_, n) => start + 1 + n));
		assert.deepEqual(got.map((f) => f.productionId).sort(), made.map((p) => p.id).sort());
		assert.equal(new Set(got.map((f) => f.data.batchNumber)).size, 64);
		await settle(s, client, v);
		assert.equal(s.events.length, 65);
	});

	test('a refused action sends nothing', async () => {
		const s = await open(c);

		assert.equal((await c.post('/api/production', t.input({ plannedPortions: 0 }))).status, 422);
		assert.equal((await c.post('/api/production', t.input({ menuId: 'none' }))).status, 422);
		const p = await create(c, t);
		assert.equal((await setStatus(c, p.id, 'COMPLETED')).status >= 400, true);
		await settle(s, c, t);
		assert.deepEqual(s.events.map((f) => f.type), ['production_created', 'production_created']);
	});

	test('topics narrow what is sent', async () => {
		const [menu, production] = [await open(c, { topics: 'menu' }),
		    await open(c, { topics: 'production' })];

		assert.deepEqual(menu.connected.topics, ['menu']);
		assert.deepEqual(production.connected.topics, ['production']);
		await owner('UPDATE dapur.menu SET cost_per_serving = cost_per_serving + 1 WHERE id = $1',
		    [t.menus[0].id]);
		await settle(production, c, t);
		assert.ok(production.events.every((f) => f.topic === 'production'));
		assert.ok(menu.events.every((f) => f.topic === 'menu'));
	});

	test('the log has every event of the stream, byte for byte', async () => {
		const s = await open(c);
		const p = await create(c, t);
		const frame = await s.next((f) => f.productionId === p.id);
		const line = s.lines[s.frames.indexOf(frame)];
		const { rows } = await owner('SELECT line FROM dapur.event WHERE sppg_id = $1 AND seq = $2',
		    [t.id, frame.seq]);

		assert.equal(rows[0].line, line);
	});

	test('what psql inserts is in the log before the next action, and the order holds', async () => {
		const s = await open(c);
		const id = await insert(t);
		const p = await create(c, t);
		const frame = await s.next((f) => f.productionId === p.id);
		const { rows } = await owner(`SELECT seq::int AS seq FROM dapur.event
		    WHERE sppg_id = $1 AND object_id = $2`, [t.id, id]);

		assert.equal(rows[0].seq, frame.seq - 1);
	});
});
