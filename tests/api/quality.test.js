/* /api/production/{id}/quality-checks: rules, and what they do to the production. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { done, refused, written } from '../lib/expect.js';
import { addCheck, at, check, read } from '../lib/production.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

const path = (p) => `/api/production/${p.id}/quality-checks`;
const members = ['id', 'productionId', 'checkType', 'parameter', 'expectedValue',
    'actualValue', 'passed', 'score', 'severity', 'notes', 'recommendations',
    'actionRequired', 'actionTaken', 'followUpDate'];

suite('quality checks', () => {
	test('every member is kept; the list has them in order', async () => {
		const t = await makeTenant();
		const c = await t.login('qc');
		const p = await at(await t.login('kepala'), t, 'COOKING');
		const given = {
			checkType: 'TEMPERATURE', parameter: 'suhu inti', expectedValue: '≥ 75 °C',
			actualValue: '78 °C', passed: true, score: 100, severity: 'LOW',
			notes: 'baik', recommendations: 'tetap', actionRequired: true,
			actionTaken: 'none', followUpDate: '2026-11-30',
		};
		const a = written(await c.post(path(p), given), 201);
		const b = written(await c.put(path(p), check()), 201);
		const list = done(await c.get(path(p)));

		for (const name of members)
			assert.ok(name in a, name);
		for (const [name, value] of Object.entries(given))
			assert.deepEqual(a[name], value, name);
		assert.equal(a.productionId, p.id);
		assert.equal(b.score, null);
		assert.equal(b.actionRequired, false);
		assert.deepEqual(list.map((q) => q.id).sort(), [a.id, b.id].sort());
		assert.deepEqual(list.find((q) => q.id === a.id), a);
	});

	for (const [status, allowed] of [['PLANNED', false], ['PREPARING', false],
	    ['COOKING', true], ['QUALITY_CHECK', true], ['COMPLETED', false], ['CANCELLED', false]])
		test(`${status}: a check is ${allowed ? 'taken' : 'refused'}`, async () => {
			const t = await makeTenant();
			const c = await t.login('kepala');
			const p = await at(c, t, status);
			const before = done(await c.get(path(p))).length;
			const r = await addCheck(c, p.id);

			if (allowed)
				written(r, 201);
			else
				refused(r, 409, 'CONFLICT');
			assert.equal(done(await c.get(path(p))).length, before + (allowed ? 1 : 0));
		});

	test('qualityPassed: null, then by the latest check of each type', async () => {
		const t = await makeTenant();
		const c = await t.login('kepala');
		const p = await at(c, t, 'COOKING');
		const after = async (checkType, passed) => {
			written(await addCheck(c, p.id, { checkType, passed }), 201);
			return (await read(c, p.id)).qualityPassed;
		};

		assert.equal(p.qualityPassed, null);
		assert.equal(await after('TASTE', true), true);
		assert.equal(await after('HYGIENE', false), false);
		assert.equal(await after('TASTE', true), false, 'another type does not heal it');
		assert.equal(await after('SAFETY', false), false);
		assert.equal(await after('HYGIENE', true), false, 'one of two is still open');
		assert.equal(await after('SAFETY', true), true);
		assert.equal(await after('SAFETY', false), false, 'a later failure opens it again');
		assert.equal(await after('SAFETY', true), true);
	});

	test('missing, wrong and unknown members are named, all at once', async () => {
		const t = await makeTenant();
		const c = await t.login('qc');
		const p = await at(await t.login('kepala'), t, 'COOKING');

		const faults = refused(await c.post(path(p), {}), 422, 'INVALID').map((f) => f.path);
		for (const name of ['checkType', 'parameter', 'passed'])
			assert.ok(faults.includes(name), name);
		for (const [name, values] of Object.entries({
			checkType: ['', 'taste', 'SMELL', 1, null], parameter: ['', 5, 'p'.repeat(5000)],
			passed: ['true', 1, null], score: [0, 101, 50.5, '5'],
			severity: ['', 'low', 'FATAL'], notes: [5, 'n'.repeat(5000)],
			recommendations: [5], actionRequired: ['no', 0], actionTaken: [5],
			followUpDate: ['soon', '2026-02-30', 5], expectedValue: [5, 'e'.repeat(5000)],
			actualValue: [5, 'a'.repeat(5000)], id: ['x'], productionId: ['x'],
			sppgId: ['x'], nonsense: [1],
		}))
			for (const value of values)
				refused(await c.post(path(p), check({ [name]: value })), 422, 'INVALID', [name]);
		refused(await c.post(path(p), check({ score: 0, severity: 'X', passed: 1 })),
		    422, 'INVALID', ['passed', 'score', 'severity']);
		assert.deepEqual(done(await c.get(path(p))), []);
	});

	test('a production that is not there: 404', async () => {
		const t = await makeTenant({ who: ['qc'] });
		const c = await t.login('qc');

		refused(await c.get('/api/production/none/quality-checks'), 404, 'NOT_FOUND');
		refused(await c.post('/api/production/none/quality-checks', check()), 404, 'NOT_FOUND');
	});

	test('many checks at once all count', async () => {
		const t = await makeTenant();
		const c = await t.login('kepala');
		const p = await at(c, t, 'COOKING');
		const types = ['HYGIENE', 'TEMPERATURE', 'TASTE', 'APPEARANCE', 'SAFETY'];
		const all = await Promise.all(Array.from({ length: 20 }, (_, n) =>
			addCheck(c, p.id, { checkType: types[n % 5], passed: n % 5 !== 2 })));

		for (const r of all)
			written(r, 201);
		assert.equal((await read(c, p.id)).qualityPassed, false);
		assert.equal(done(await c.get(path(p))).length, 20);
	});
});
