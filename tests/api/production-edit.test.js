/* GET one, PUT and PATCH in every form, DELETE, and If-Match. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { owner } from '../lib/db.js';
import { done, refused, written } from '../lib/expect.js';
import { at, create, read, setStatus } from '../lib/production.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

const path = (p) => `/api/production/${p.id}`;

suite('/api/production/{id}', () => {
	test('GET of nothing: 404 NOT_FOUND', async () => {
		const t = await makeTenant({ who: ['viewer'] });
		const c = await t.login('viewer');

		for (const id of ['no-such', '0', '00000000-0000-0000-0000-000000000000',
		    'x'.repeat(64), "'", '%22', 'null', '%C3%A9'])
			refused(await c.get(`/api/production/${id}`), 404, 'NOT_FOUND');
		const long = await c.get(`/api/production/${'x'.repeat(65)}`);	/* cannot be an id */
		refused(long, long.status, long.status === 422 ? 'INVALID' : 'NOT_FOUND');
	});

	test('PATCH changes what it names and nothing else', async () => {
		const t = await makeTenant();
		const c = await t.login('dapur');
		const p = await create(c, t, { notes: 'before', priority: 'LOW' });
		const q = written(await c.patch(path(p), { notes: 'after' }));

		assert.deepEqual({ ...q, notes: 'before', version: p.version, updatedAt: p.updatedAt }, p);
		assert.equal(q.notes, 'after');
		assert.equal(q.version, p.version + 1);
		assert.ok(Date.parse(q.updatedAt) >= Date.parse(p.updatedAt));
		assert.deepEqual(await read(c, p.id), q);
	});

	test('PUT /{id} does the same, and PUT with the id in the body as in the seed', async () => {
		const t = await makeTenant();
		const c = await t.login('dapur');
		const p = await create(c, t);

		assert.equal(written(await c.put(path(p), { notes: 'one' })).notes, 'one');
		assert.equal(written(await c.put('/api/production', { id: p.id, notes: 'two' })).notes, 'two');
		assert.equal(written(await c.put(path(p), { ...pick(p), notes: 'three' })).notes, 'three');
		refused(await c.put('/api/production', { notes: 'which?' }), 422, 'INVALID', ['id']);
		refused(await c.put('/api/production', { id: 'no-such', notes: 'x' }), 404, 'NOT_FOUND');
		refused(await c.put('/api/production', { id: '', notes: 'x' }), 422, 'INVALID', ['id']);
	});

	const pick = (p) => Object.fromEntries(['programId', 'menuId', 'productionDate',
	    'plannedPortions', 'headCook', 'plannedStartTime', 'plannedEndTime']
		.map((name) => [name, p[name]]));

	test('a date-time means the kitchen\'s day, as when it was planned', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const late = '2026-12-01T18:30:00Z'; /* half past one in Jakarta */
		const p = await create(c, t, { productionDate: late });

		assert.equal(p.productionDate, '2026-12-02');
		assert.equal(written(await c.put(`/api/production/${p.id}`,
		    { productionDate: late })).productionDate, '2026-12-02');
	});

	const plan = {
		plannedPortions: 77, productionDate: '2026-12-01', priority: 'HIGH',
		plannedStartTime: '2026-12-01T00:30:00Z', plannedEndTime: '2026-12-01T06:00:00Z',
		targetTemperature: 80, estimatedCost: 500000, notes: 'other', assistantCooks: [],
		batchNumber: 'Renamed-1',
	};
	const course = {
		actualPortions: 100, actualCost: 450000, actualTemperature: 71.5, hygieneScore: 90,
		tasteRating: 4, appearanceRating: 5, textureRating: 1, wasteAmount: 2.5,
		wasteNotes: 'peels', photos: ['https://img.example/a.jpg'],
	};

	test('PLANNED: every member of the plan may be changed', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');

		for (const [name, value] of Object.entries({ ...plan, menuId: t.menus[1].id,
		    headCook: t.people.kepala.id, supervisorId: t.people.admin.id })) {
			const p = await create(c, t, { plannedStartTime: '2026-11-30T23:00:00Z',
			    plannedEndTime: '2026-12-01T05:00:00Z' });
			const q = written(await c.patch(path(p), { [name]: value }));
			if (name.endsWith('Time'))
				assert.equal(Date.parse(q[name]), Date.parse(value), name);
			else if (typeof value === 'number')
				assert.equal(Number(q[name]), value, name);
			else
				assert.deepEqual(q[name], value, name);
		}
	});

	test('PLANNED: nothing of the cooking may be written yet', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const p = await create(c, t);

		for (const [name, value] of Object.entries(course)) {
			if (name === 'photos')
				continue;
			const r = await c.patch(path(p), { [name]: value });
			assert.ok([409, 422].includes(r.status), `${name}: ${r.text}`);
			refused(r, r.status, r.status === 409 ? 'CONFLICT' : 'INVALID');
		}
		assert.deepEqual(await read(c, p.id), p);
	});

	for (const status of ['PREPARING', 'COOKING', 'QUALITY_CHECK'])
		test(`${status}: actual values yes, the plan no`, async () => {
			const t = await makeTenant();
			const c = await t.login('produksi');
			const p = await at(c, t, status);
			const q = written(await c.patch(path(p), course));

			for (const [name, value] of Object.entries(course))
				if (typeof value === 'number')
					assert.equal(Number(q[name]), value, name);
				else
					assert.deepEqual(q[name], value, name);
			for (const name of ['plannedPortions', 'productionDate', 'plannedStartTime']) {
				const r = await c.patch(path(p), { [name]: plan[name] });
				assert.ok([409, 422].includes(r.status), `${name}: ${r.text}`);
				refused(r, r.status, r.status === 409 ? 'CONFLICT' : 'INVALID');
			}
			assert.deepEqual(await read(c, p.id), q);
		});

	for (const status of ['COMPLETED', 'CANCELLED'])
		test(`${status}: nothing may be changed`, async () => {
			const t = await makeTenant();
			const c = await t.login('produksi');
			const p = await at(c, t, status);

			for (const changes of [{ notes: 'x' }, { actualPortions: 1 }, { tasteRating: 1 },
			    { plannedPortions: 5 }]) {
				const r = await c.patch(path(p), changes);
				assert.ok([409, 422].includes(r.status), r.text);
				refused(r, r.status, r.status === 409 ? 'CONFLICT' : 'INVALID');
			}
			assert.deepEqual(await read(c, p.id), p);
		});

	test('costPerPortion follows from actual cost and portions', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const p = await at(c, t, 'COOKING');
		const q = written(await c.patch(path(p), { actualPortions: 100, actualCost: 450000 }));

		assert.equal(Number(q.costPerPortion), 4500);
	});

	test('what the members may not be', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const p = await at(c, t, 'COOKING');

		for (const [name, values] of Object.entries({
			actualPortions: [-1, 1.5, 'x', 1e9], actualCost: [-1, 'x'],
			hygieneScore: [0, 101, 50.5, '50'], tasteRating: [0, 6, 2.5, '3'],
			appearanceRating: [0, 6], textureRating: [0, 6], wasteAmount: [-0.1, 'x'],
			wasteNotes: [7, 'w'.repeat(3000)], actualTemperature: ['hot', 1e6],
			photos: ['x', ['http://plain.example/a.jpg'], ['javascript:alert(1)'], [''],
			    ['https://'], [5], Array(500).fill('https://img.example/a.jpg')],
			status: ['COMPLETED'], version: [1], sppgId: ['x'], createdBy: ['x'],
			qualityPassed: [true], nonsense: [1],
		}))
			for (const value of values) {
				const faults = refused(await c.patch(path(p), { [name]: value }), 422, 'INVALID');
				assert.ok(faults.every((f) => f.path === name || f.path.startsWith(`${name}[`)
				    || f.path.startsWith(`${name}.`)),
				    `${name} ${JSON.stringify(value).slice(0, 40)}: ${JSON.stringify(faults)}`);
			}
		assert.deepEqual(await read(c, p.id), p);
	});

	test('start and end are compared with what the row has', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const p = await create(c, t);

		refused(await c.patch(path(p), { plannedEndTime: '2026-11-22T00:30:00Z' }), 422, 'INVALID');
		refused(await c.patch(path(p), { plannedStartTime: '2026-11-22T05:00:00Z' }), 422, 'INVALID');
		assert.deepEqual(await read(c, p.id), p);
	});

	test('an empty change: no event, or 422, but never a new version without one', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const p = await create(c, t);
		const count = async () => Number((await owner(
		    'SELECT count(*) AS n FROM dapur.event WHERE sppg_id = $1', [t.id])).rows[0].n);
		const before = await count();
		const r = await c.patch(path(p), {});

		assert.ok([200, 422].includes(r.status), r.text);
		const q = await read(c, p.id);
		assert.equal(q.version - p.version, await count() - before);
	});

	test('a batch number that is taken: 409', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const [a, b] = [await create(c, t), await create(c, t)];

		refused(await c.patch(path(b), { batchNumber: a.batchNumber }), 409, 'CONFLICT');
	});

	test('another tenant\'s menu or cook is refused in an edit too', async () => {
		const [t, u] = [await makeTenant(), await makeTenant()];
		const c = await t.login('produksi');
		const p = await create(c, t);

		refused(await c.patch(path(p), { menuId: u.menus[0].id }), 422, 'INVALID', ['menuId']);
		refused(await c.patch(path(p), { headCook: u.people.dapur.id }), 422, 'INVALID', ['headCook']);
	});

	test('If-Match: the right version writes, a stale one is 412 and writes nothing', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const p = await create(c, t);
		const match = (value) => ({ headers: { 'if-match': value } });

		const q = written(await c.patch(path(p), { notes: 'one' }, match(`"v${p.version}"`)));
		refused(await c.patch(path(p), { notes: 'two' }, match(`"v${p.version}"`)),
		    412, 'PRECONDITION_FAILED');
		refused(await c.put('/api/production', { id: p.id, notes: 'two' }, match('"v999"')),
		    412, 'PRECONDITION_FAILED');
		refused(await c.patch(`${path(p)}/status`, { status: 'PREPARING' }, match(`"v${p.version}"`)),
		    412, 'PRECONDITION_FAILED');
		refused(await c.request('DELETE', path(p), match(`"v${p.version}"`)),
		    412, 'PRECONDITION_FAILED');
		assert.deepEqual(await read(c, p.id), q);
		refused(await c.patch(path(p), { notes: 'two' }, match(`"v998", "x","v${p.version}"`)),
		    412, 'PRECONDITION_FAILED');
		const r = written(await c.patch(path(p), { notes: 'two' }, match(`"v${p.version}", "v${q.version}"`)));
		assert.equal(r.version, q.version + 1);
		written(await c.patch(path(p), { notes: 'three' }, match('*')));
	});

	test('of many writers with the same If-Match exactly one wins', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');
		const p = await create(c, t);
		const all = await Promise.all(Array.from({ length: 16 }, (_, n) =>
			c.patch(path(p), { notes: `n${n}` }, { headers: { 'if-match': `"v${p.version}"` } })));

		assert.equal(all.filter((r) => r.status === 200).length, 1);
		for (const r of all.filter((x) => x.status !== 200))
			refused(r, 412, 'PRECONDITION_FAILED');
	});

	test('DELETE: PLANNED and CANCELLED go, for good', async () => {
		const t = await makeTenant();
		const c = await t.login('produksi');

		for (const status of ['PLANNED', 'CANCELLED']) {
			const p = await at(c, t, status);
			written(await c.delete(path(p)));
			refused(await c.get(path(p)), 404, 'NOT_FOUND');
			refused(await c.delete(path(p)), 404, 'NOT_FOUND');
			refused(await setStatus(c, p.id, 'PREPARING'), 404, 'NOT_FOUND');
		}
		assert.deepEqual(done(await c.get('/api/production')), []);
	});

	for (const status of ['PREPARING', 'COOKING', 'QUALITY_CHECK', 'COMPLETED'])
		test(`DELETE: ${status} stays, 409`, async () => {
			const t = await makeTenant();
			const c = await t.login('produksi');
			const p = await at(c, t, status);

			refused(await c.delete(path(p)), 409, 'CONFLICT');
			assert.deepEqual(await read(c, p.id), p);
		});
});
