/* Idempotency-Key: the same key and body never act twice. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { owner } from '../lib/db.js';
import { done, refused, written } from '../lib/expect.js';
import { logOf } from '../lib/log.js';
import { create, read } from '../lib/production.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

const keyed = (key) => ({ headers: { 'idempotency-key': key } });
const head = async (t) => Number((await owner(
    'SELECT seq FROM dapur.tenant_head WHERE sppg_id = $1', [t.id])).rows[0].seq);

suite('Idempotency-Key', () => {
	test('a repeat gets the first answer, byte for byte, and emits nothing', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');
		const key = randomUUID();
		const first = await c.post('/api/production', t.input(), keyed(key));
		const before = await head(t);

		written(first, 201);
		assert.ok(!('idempotency-replayed' in first.headers));
		for (let n = 0; n < 3; n++) {
			const again = await c.post('/api/production', t.input(), keyed(key));
			assert.equal(again.status, 201);
			assert.equal(again.headers['idempotency-replayed'], 'true');
			assert.ok(again.raw.equals(first.raw));
		}
		assert.equal(await head(t), before);
		assert.equal(done(await c.get('/api/production')).length, 1);
	});

	test('another spelling of the path is the same action', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');
		const key = randomUUID();
		const first = await c.post('/api/production', t.input(), keyed(key));
		const again = await c.post('/api/%70roduction', t.input(), keyed(key));
		const p = written(first, 201);
		const patch = randomUUID();

		assert.ok(again.raw.equals(first.raw), again.text);
		const notes = written(await c.patch(`/api/production/${p.id}`, { notes: 'x' }, keyed(patch)));
		const spelled = `/api/production/%${p.id.charCodeAt(0).toString(16)}${p.id.slice(1)}`;
		assert.deepEqual(written(await c.patch(spelled, { notes: 'x' }, keyed(patch))), notes);
		assert.equal((await logOf(t)).filter((row) => row.event.productionId === p.id).length, 2);
	});

	test('every kind of write takes one', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const p = await create(c, t);
		const path = `/api/production/${p.id}`;

		for (const send of [
			(o) => c.patch(path, { notes: 'x' }, o), (o) => c.put(path, { notes: 'y' }, o),
			(o) => c.put('/api/production', { id: p.id, notes: 'z' }, o),
			(o) => c.patch(`${path}/status`, { status: 'PREPARING' }, o),
			(o) => c.put(`${path}/status`, { status: 'COOKING' }, o),
			(o) => c.post(`${path}/quality-checks`,
			    { checkType: 'TASTE', parameter: 'salt', actualValue: 'x', passed: true }, o),
			(o) => c.patch(`${path}/status`, { status: 'CANCELLED', reason: 'x' }, o),
			(o) => c.delete(path, o),
		]) {
			const options = keyed(randomUUID());
			const first = await send(options);
			assert.ok([200, 201].includes(first.status), first.text);
			const before = await head(t);
			const again = await send(options);
			assert.ok(again.raw.equals(first.raw), `${first.text}\n${again.text}`);
			assert.equal(again.headers['idempotency-replayed'], 'true');
			assert.equal(await head(t), before);
		}
	});

	test('the same key with another body: 422, and nothing happens', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');
		const key = randomUUID();

		written(await c.post('/api/production', t.input(), keyed(key)), 201);
		const r = await c.post('/api/production', t.input({ notes: 'other' }), keyed(key));
		assert.equal(r.status, 422, r.text);
		assert.equal(r.body.code, 'INVALID');
		assert.equal(done(await c.get('/api/production')).length, 1);
	});

	test('a key is one person\'s and one route\'s', async () => {
		const [t, u] = [await makeTenant({ who: ['dapur', 'kepala'] }), await makeTenant({ who: ['dapur'] })];
		const [c, d, e] = [await t.login('dapur'), await t.login('kepala'), await u.login('dapur')];
		const key = randomUUID();
		const input = t.input();
		const ids = new Set([
			written(await c.post('/api/production', input, keyed(key)), 201).id,
			written(await d.post('/api/production', input, keyed(key)), 201).id,
			written(await e.post('/api/production', u.input(), keyed(key)), 201).id,
		]);

		assert.equal(ids.size, 3);
		const [one, two] = [await create(c, t), await create(c, t)];
		for (const p of [one, two])
			written(await c.patch(`/api/production/${p.id}`, { notes: 'same' }, keyed(key)));
		assert.equal((await read(c, two.id)).notes, 'same');
	});

	test('a refused try keeps nothing: the key is free for the next', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');
		const key = randomUUID();

		refused(await c.post('/api/production', t.input({ menuId: 'none' }), keyed(key)), 422, 'INVALID');
		written(await c.post('/api/production', t.input(), keyed(key)), 201);
	});

	test('many at once with one key: one acts; the others get its answer or 409', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');
		const options = keyed(randomUUID());
		const all = await Promise.all(Array.from({ length: 16 },
		    () => c.post('/api/production', t.input(), options)));
		const good = all.filter((r) => r.status === 201);

		assert.ok(good.length >= 1);
		assert.equal(good.filter((r) => !r.headers['idempotency-replayed']).length, 1);
		for (const r of good)
			assert.ok(r.raw.equals(good[0].raw));
		for (const r of all.filter((x) => x.status !== 201))
			refused(r, 409, 'CONFLICT');
		assert.equal(done(await c.get('/api/production')).length, 1);
		written(await c.post('/api/production', t.input(), options), 201);
		assert.equal(done(await c.get('/api/production')).length, 1);
	});

	test('what a key may not be', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');

		for (const key of ['x'.repeat(256), 'x'.repeat(5000), 'caf\u00e9'])
			refused(await c.post('/api/production', t.input(), keyed(key)), 422, 'INVALID');
		assert.equal(done(await c.get('/api/production')).length, 0);
		written(await c.post('/api/production', t.input(), keyed('"quoted; key=1"')), 201);
	});

	test('a day later the key is forgotten', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');
		const key = randomUUID();
		const first = written(await c.post('/api/production', t.input(), keyed(key)), 201);

		await owner(`UPDATE dapur.idempotency SET created_at = created_at - interval '25 hours'
		    WHERE sppg_id = $1`, [t.id]);
		const r = await c.post('/api/production', t.input(), keyed(key));
		assert.notEqual(written(r, 201).id, first.id);
	});
});
