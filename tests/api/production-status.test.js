/* PUT and PATCH /api/production/{id}/status: the day of a production. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refused, written } from '../lib/expect.js';
import { addCheck, at, create, read, setStatus } from '../lib/production.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

const all = ['PLANNED', 'PREPARING', 'COOKING', 'QUALITY_CHECK', 'COMPLETED', 'CANCELLED'];
const legal = new Set(['PLANNED>PREPARING', 'PREPARING>COOKING', 'COOKING>QUALITY_CHECK',
    'QUALITY_CHECK>COMPLETED', 'PLANNED>CANCELLED', 'PREPARING>CANCELLED',
    'COOKING>CANCELLED', 'QUALITY_CHECK>CANCELLED']);

suite('PATCH /api/production/{id}/status', () => {
	test('a whole day, step by step', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const p = await create(c, t);
		let q = written(await setStatus(c, p.id, 'PREPARING'));

		assert.equal(q.status, 'PREPARING');
		assert.ok(Date.parse(q.actualStartTime) >= Date.parse(p.createdAt) - 1000);
		assert.equal(q.actualEndTime, null);
		assert.equal(q.version, p.version + 1);
		const started = q.actualStartTime;

		q = written(await c.put(`/api/production/${p.id}/status`, { status: 'COOKING' }));
		assert.equal(q.status, 'COOKING');
		assert.equal(q.actualStartTime, started);
		q = written(await setStatus(c, p.id, 'QUALITY_CHECK'));
		written(await addCheck(c, p.id), 201);
		q = written(await setStatus(c, p.id, 'COMPLETED', { actualPortions: 119 }));
		assert.equal(q.status, 'COMPLETED');
		assert.equal(q.actualPortions, 119);
		assert.equal(q.qualityPassed, true);
		assert.equal(q.actualStartTime, started);
		assert.ok(Date.parse(q.actualEndTime) >= Date.parse(started));
		assert.deepEqual(await read(c, p.id), q);
	});

	for (const from of all)
		test(`from ${from}: only what the table allows`, async () => {
			const t = await makeTenant();
			const c = await t.login('produksi');

			for (const to of all) {
				const p = await at(c, t, from);
				const r = await setStatus(c, p.id, to,
				    { reason: 'why not', actualPortions: 5 });
				if (!legal.has(`${from}>${to}`)) {
					if (r.status === 422)	/* a reason where none belongs */
						refused(await setStatus(c, p.id, to), 409, 'ILLEGAL_TRANSITION');
					else
						refused(r, 409, 'ILLEGAL_TRANSITION');
					assert.deepEqual(await read(c, p.id), p);
				}
			}
		});

	for (const from of all.slice(0, 4))
		test(`${from} → CANCELLED needs a reason and keeps it`, async () => {
			const t = await makeTenant();
			const c = await t.login('produksi');
			const p = await at(c, t, from);

			for (const more of [{}, { reason: '' }, { reason: null }])
				refused(await setStatus(c, p.id, 'CANCELLED', more), 422, 'INVALID', ['reason']);
			assert.deepEqual(await read(c, p.id), p);
			const q = written(await setStatus(c, p.id, 'CANCELLED', { reason: 'gas habis' }));
			assert.equal(q.status, 'CANCELLED');
			assert.equal(q.rejectionReason, 'gas habis');
		});

	test('COMPLETED needs actualPortions', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const p = await at(c, t, 'QUALITY_CHECK');

		written(await addCheck(c, p.id), 201);
		refused(await setStatus(c, p.id, 'COMPLETED'), 422, 'INVALID', ['actualPortions']);
		for (const value of [-1, 'x', 1.5, 1e9])
			refused(await setStatus(c, p.id, 'COMPLETED', { actualPortions: value }),
			    422, 'INVALID', ['actualPortions']);
		assert.equal((await read(c, p.id)).status, 'QUALITY_CHECK');
	});

	test('actualPortions may have been given before', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const p = await at(c, t, 'QUALITY_CHECK');

		written(await c.patch(`/api/production/${p.id}`, { actualPortions: 99 }));
		written(await addCheck(c, p.id), 201);
		assert.equal(written(await setStatus(c, p.id, 'COMPLETED')).actualPortions, 99);
	});

	test('COMPLETED needs a passed check and no failed one left open', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const p = await at(c, t, 'QUALITY_CHECK');
		const complete = () => setStatus(c, p.id, 'COMPLETED', { actualPortions: 10 });

		refused(await complete(), 409, 'QUALITY_REQUIRED');
		written(await addCheck(c, p.id, { checkType: 'TASTE', passed: false }), 201);
		refused(await complete(), 409, 'QUALITY_REQUIRED');
		written(await addCheck(c, p.id, { checkType: 'SAFETY', passed: true }), 201);
		refused(await complete(), 409, 'QUALITY_REQUIRED');
		assert.equal((await read(c, p.id)).actualPortions, null, 'nothing half done');
		written(await addCheck(c, p.id, { checkType: 'TASTE', passed: true }), 201);
		written(await complete());
	});

	test('what status may not be', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');
		const p = await create(c, t);

		for (const status of ['', 'preparing', 'DONE', 1, null, ['PREPARING'], {}])
			refused(await setStatus(c, p.id, status), 422, 'INVALID', ['status']);
		refused(await c.patch(`/api/production/${p.id}/status`, {}), 422, 'INVALID', ['status']);
		refused(await setStatus(c, p.id, 'PREPARING', { version: 1, x: 1 }),
		    422, 'INVALID', ['version', 'x']);
		refused(await setStatus(c, p.id, 'CANCELLED', { reason: 'x'.repeat(5000) }),
		    422, 'INVALID', ['reason']);
		refused(await setStatus(c, 'no-such', 'PREPARING'), 404, 'NOT_FOUND');
		assert.deepEqual(await read(c, p.id), p);
	});

	test('of many at once exactly one takes the step', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');
		const p = await create(c, t);
		const tries = await Promise.all(Array.from({ length: 16 },
		    () => setStatus(c, p.id, 'PREPARING')));

		assert.equal(tries.filter((r) => r.status === 200).length, 1);
		for (const r of tries.filter((x) => x.status !== 200))
			refused(r, 409, 'ILLEGAL_TRANSITION');
		assert.equal((await read(c, p.id)).version, p.version + 1);
	});
});
