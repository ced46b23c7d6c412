/* POST /api/production: members, defaults, rules, batch numbers, limits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { owner } from '../lib/db.js';
import { done, refused, written } from '../lib/expect.js';
import { create, read } from '../lib/production.js';
import { suite } from '../lib/suite.js';
import { addPerson, makeTenant } from '../lib/tenant.js';

const members = [
	'id', 'sppgId', 'programId', 'menuId', 'menu', 'program', 'batchNumber',
	'productionDate', 'plannedPortions', 'actualPortions', 'headCook',
	'assistantCooks', 'supervisorId', 'plannedStartTime', 'plannedEndTime',
	'actualStartTime', 'actualEndTime', 'estimatedCost', 'actualCost',
	'costPerPortion', 'targetTemperature', 'actualTemperature', 'hygieneScore',
	'tasteRating', 'appearanceRating', 'textureRating', 'status', 'qualityPassed',
	'rejectionReason', 'wasteAmount', 'wasteNotes', 'notes', 'photos', 'priority',
	'version', 'createdBy', 'createdAt', 'updatedAt',
];
const moment = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

suite('POST /api/production', () => {
	test('the smallest input: every member is there, with its default', async () => {
		const t = await makeTenant();
		const c = await t.login('dapur');
		const p = written(await c.post('/api/production', t.input()), 201);

		assert.deepEqual(Object.keys(p).sort(), [...members].sort());
		assert.equal(p.sppgId, t.id);
		assert.equal(p.programId, t.programId);
		assert.equal(p.menuId, t.menus[0].id);
		assert.equal(p.menu.menuName, t.menus[0].name);
		assert.equal(p.menu.menuCode, t.menus[0].code);
		assert.equal(p.menu.mealType, t.menus[0].mealType);
		assert.equal(Number(p.menu.servingSize), 350);
		assert.equal(p.program.name, t.programName);
		assert.equal(p.productionDate, '2026-11-22');
		assert.equal(p.plannedPortions, 120);
		assert.equal(p.headCook, t.people.dapur.id);
		assert.equal(Date.parse(p.plannedStartTime), Date.parse('2026-11-22T01:00:00Z'));
		assert.equal(Date.parse(p.plannedEndTime), Date.parse('2026-11-22T05:00:00Z'));
		assert.equal(p.status, 'PLANNED');
		assert.equal(p.priority, 'NORMAL');
		assert.deepEqual(p.assistantCooks, []);
		assert.deepEqual(p.photos, []);
		assert.equal(p.version, 1);
		assert.equal(p.createdBy, t.people.dapur.id);
		assert.equal(Number(p.estimatedCost), 7500 * 120);
		for (const name of ['actualPortions', 'actualStartTime', 'actualEndTime',
		    'supervisorId', 'actualCost', 'actualTemperature', 'hygieneScore',
		    'tasteRating', 'rejectionReason', 'wasteNotes', 'qualityPassed'])
			assert.equal(p[name], null, name);
		for (const name of ['createdAt', 'updatedAt', 'plannedStartTime'])
			assert.match(p[name], moment, name);
		assert.deepEqual(await read(c, p.id), p);
	});

	test('every member that may be given is kept', async () => {
		const t = await makeTenant();
		const c = await t.login('kepala');
		const given = {
			menuId: t.menus[1].id,
			batchNumber: `Pagi-${t.mark}`,
			plannedPortions: 100000,
			assistantCooks: [t.people.produksi.id, t.people.qc.id],
			supervisorId: t.people.kepala.id,
			estimatedCost: 1234567.89,
			targetTemperature: 75.5,
			priority: 'URGENT',
			notes: 'Kurangi garam — "pedas" \u00e9 \u{1f35b}\nbaris dua',
		};
		const p = await create(c, t, given);

		for (const [name, value] of Object.entries(given))
			if (typeof value === 'number')
				assert.equal(Number(p[name]), value, name);
			else
				assert.deepEqual(p[name], value, name);
		assert.deepEqual(await read(c, p.id), p);
	});

	test('times are taken with any offset and mean the same moment', async () => {
		const t = await makeTenant();
		const p = await create(await t.login('dapur'), t, {
			plannedStartTime: '2026-11-22T08:00:00+07:00',
			plannedEndTime: '2026-11-22T12:00:00.250+07:00',
		});

		assert.equal(Date.parse(p.plannedStartTime), Date.parse('2026-11-22T01:00:00Z'));
		assert.equal(Date.parse(p.plannedEndTime), Date.parse('2026-11-22T05:00:00.250Z'));
	});

	test('productionDate as a moment is the day of the kitchen\'s own time zone', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');

		for (const [given, day] of [['2026-11-22T16:59:59Z', '2026-11-22'],
		    ['2026-11-22T17:00:00Z', '2026-11-23'], ['2026-11-22T00:00:00+07:00', '2026-11-22']])
			assert.equal((await create(c, t, { productionDate: given })).productionDate, day);
	});

	test('batch numbers count per tenant and day', async () => {
		const [t, u] = [await makeTenant(), await makeTenant()];
		const [c, d] = [await t.login('dapur'), await u.login('dapur')];
		const day = async (client, tenant, productionDate) =>
			(await create(client, tenant, { productionDate })).batchNumber;

		assert.equal(await day(c, t, '2026-11-22'), 'BATCH-20261122-0001');
		assert.equal(await day(c, t, '2026-11-22'), 'BATCH-20261122-0002');
		assert.equal(await day(c, t, '2026-11-23'), 'BATCH-20261123-0001');
		assert.equal(await day(d, u, '2026-11-22'), 'BATCH-20261122-0001');
		assert.equal(await day(c, t, '2026-11-22'), 'BATCH-20261122-0003');
	});

	test('a number taken by hand is stepped over', async () => {
		const t = await makeTenant();
		const c = await t.login('dapur');

		await create(c, t, { batchNumber: 'BATCH-20261122-0001' });
		const p = await create(c, t);
		assert.match(p.batchNumber, /^BATCH-20261122-\d{4,}$/);
		assert.notEqual(p.batchNumber, 'BATCH-20261122-0001');
	});

	test('a batch number is unique per tenant: 409 CONFLICT; another tenant may have it', async () => {
		const [t, u] = [await makeTenant(), await makeTenant()];
		const c = await t.login('dapur');

		await create(c, t, { batchNumber: 'SAME' });
		refused(await c.post('/api/production', t.input({ batchNumber: 'SAME' })),
		    409, 'CONFLICT');
		await create(await u.login('dapur'), u, { batchNumber: 'SAME' });
	});

	test('what is missing is named, all at once', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');

		refused(await c.post('/api/production', {}), 422, 'INVALID',
		    ['programId', 'menuId', 'productionDate', 'plannedPortions', 'headCook',
			'plannedStartTime', 'plannedEndTime']);
		for (const name of Object.keys(t.input())) {
			const input = t.input();
			delete input[name];
			refused(await c.post('/api/production', input), 422, 'INVALID', [name]);
			refused(await c.post('/api/production', t.input({ [name]: null })),
			    422, 'INVALID', [name]);
		}
	});

	const long = (n) => 'x'.repeat(n);
	const wrong = {
		plannedPortions: [0, -1, 100001, 1.5, '120', true, [], {}, 1e300, 2 ** 53],
		productionDate: ['', '2026-13-01', '2026-02-30', '22-11-2026', 20261122,
		    '2026-11-22T', '+12026-11-22', '0000-00-00', 'today', 'infinity'],
		plannedStartTime: ['', '2026-11-22', '2026-11-22 01:00', '2026-11-22T25:00:00Z',
		    '2026-11-22T01:00:00', 1, 'now', 'infinity', '2026-11-22T01:00:00+99:00'],
		plannedEndTime: ['', 'later', '2026-11-22T24:61:00Z'],
		batchNumber: ['', long(51), 7, 'a\u0000b'],
		assistantCooks: ['x', {}, [1], [[]], [null], Array(1000).fill('x')],
		estimatedCost: [-1, 'much', 1e30, true],
		targetTemperature: ['hot', -1000, 1e9],
		priority: ['', 'normal', 'HIGHEST', 1, null === undefined],
		notes: [long(2001), 5, 'nul\u0000'],
		headCook: ['', 5, long(5000)],
		menuId: ['', 5, {}],
		programId: ['', [], long(5000)],
	};
	for (const [name, values] of Object.entries(wrong))
		test(`${name}: what it may not be`, async () => {
			const t = await makeTenant({ who: ['dapur'] });
			const c = await t.login('dapur');

			for (const value of values) {
				const r = await c.post('/api/production', t.input({ [name]: value }));
				const faults = refused(r, 422, 'INVALID');
				assert.ok(faults.some((f) => f.path === name || f.path.startsWith(`${name}[`)
				    || f.path.startsWith(`${name}.`)),
				    `${JSON.stringify(value).slice(0, 60)}: ${r.text}`);
			}
			const { rows } = await owner(
			    'SELECT count(*)::int AS n FROM dapur.production WHERE sppg_id = $1', [t.id]);
			assert.equal(rows[0].n, 0);
		});

	test('the edges that are allowed', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');

		for (const changes of [
			{ plannedPortions: 1 }, { plannedPortions: 100000 },
			{ batchNumber: 'b'.repeat(50) }, { batchNumber: 'é'.repeat(25) },
			{ notes: 'n'.repeat(2000) }, { estimatedCost: 0 },
			{ productionDate: '2028-02-29' }, { assistantCooks: [] },
			{ supervisorId: null }, { notes: null },
			{ priority: 'LOW' }, { priority: 'CRITICAL' },
		])
			written(await c.post('/api/production', t.input(changes)), 201);
	});

	test('the first fault does not hide the others', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');
		const faults = refused(await c.post('/api/production', t.input({
			plannedPortions: 0, priority: 'X', notes: 5, surprise: 1,
		})), 422, 'INVALID', ['notes', 'plannedPortions', 'priority', 'surprise']);

		assert.equal(faults.find((f) => f.path === 'plannedPortions').code, 'TOO_SMALL');
	});

	test('start must be before end', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');

		for (const end of ['2026-11-22T01:00:00Z', '2026-11-22T00:59:59Z'])
			assert.equal(refused(await c.post('/api/production',
			    t.input({ plannedEndTime: end })), 422, 'INVALID')[0].path, 'plannedEndTime');
	});

	test('a client cannot set what is not its business', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');

		for (const [name, value] of Object.entries({
			id: 'mine', sppgId: 'other', status: 'COMPLETED', version: 9,
			createdBy: 'x', qualityPassed: true, actualPortions: 5, menu: {},
			createdAt: '2020-01-01T00:00:00Z', __proto__x: 1, '': 1,
		}))
			refused(await c.post('/api/production', t.input({ [name]: value })),
			    422, 'INVALID', [name]);
	});

	test('menu, programme and people must be the tenant\'s own', async () => {
		const [t, u] = [await makeTenant(), await makeTenant()];
		const c = await t.login('kepala');

		for (const [name, theirs] of [
			['menuId', u.menus[0].id], ['programId', u.programId],
			['headCook', u.people.dapur.id], ['supervisorId', u.people.kepala.id],
			['assistantCooks', [u.people.qc.id]],
		]) {
			const foreign = await c.post('/api/production', t.input({ [name]: theirs }));
			const faults = refused(foreign, 422, 'INVALID');
			assert.ok(faults[0].path.startsWith(name), foreign.text);
			const none = await c.post('/api/production', t.input(
			    { [name]: Array.isArray(theirs) ? ['no-such'] : 'no-such' }));
			refused(none, 422, 'INVALID');
			assert.equal(faults[0].code, none.body.errors[0].code,
			    'another tenant\'s row looks like none');
			assert.ok(!foreign.text.includes(u.mark) || foreign.text.includes(theirs));
		}
	});

	test('menu, programme and people must be active', async () => {
		const t = await makeTenant();
		const c = await t.login('kepala');
		const off = await addPerson(t, 'dapur', { active: false });

		for (const [name, value] of [['headCook', off.id], ['supervisorId', off.id],
		    ['assistantCooks', [off.id]]])
			assert.ok(refused(await c.post('/api/production', t.input({ [name]: value })),
			    422, 'INVALID')[0].path.startsWith(name));
		await owner('UPDATE dapur.menu SET active = false WHERE id = $1', [t.menus[1].id]);
		refused(await c.post('/api/production', t.input({ menuId: t.menus[1].id })),
		    422, 'INVALID', ['menuId']);
		await owner('UPDATE dapur.program SET active = false WHERE id = $1', [t.programId]);
		assert.ok(refused(await c.post('/api/production', t.input()), 422, 'INVALID')
		    .some((f) => f.path === 'programId'));
	});

	test('the tier\'s monthly number of productions holds: LIMIT_REACHED', async () => {
		const t = await makeTenant({ tier: 'TRIAL', who: ['dapur'] });
		const c = await t.login('dapur');
		const day = (n) => `2026-11-${String(1 + n).padStart(2, '0')}`;

		for (let n = 0; n < 20; n++)
			await create(c, t, { productionDate: day(n) });
		refused(await c.post('/api/production', t.input({ productionDate: day(20) })),
		    403, 'LIMIT_REACHED');
		const { rows } = await owner(
		    'SELECT count(*)::int AS n FROM dapur.production WHERE sppg_id = $1', [t.id]);
		assert.equal(rows[0].n, 20);
	});

	test('the limit holds for concurrent creates too', async () => {
		const t = await makeTenant({ tier: 'TRIAL', who: ['dapur'] });
		const c = await t.login('dapur');
		const all = await Promise.all(Array.from({ length: 30 },
		    () => c.post('/api/production', t.input())));

		assert.equal(all.filter((r) => r.status === 201).length, 20);
		for (const r of all.filter((x) => x.status !== 201))
			refused(r, 403, 'LIMIT_REACHED');
	});

	test('a repeat is a second production (no Idempotency-Key)', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');
		const [a, b] = [await create(c, t), await create(c, t)];

		assert.notEqual(a.id, b.id);
		assert.notEqual(a.batchNumber, b.batchNumber);
	});

	test('64 concurrent creates: distinct batch numbers, dense seq', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');
		const first = await c.post('/api/production', t.input());
		const start = Number(first.body.position.split('.')[1]);
		const all = await Promise.all(Array.from({ length: 64 },
		    () => c.post('/api/production', t.input())));
		const batches = new Set(all.map((r) => done(r, 201).batchNumber));
		const seqs = all.map((r) => Number(r.body.position.split('.')[1]))
			.sort((a, b) => a - b);

		assert.equal(batches.size, 64);
		assert.deepEqual(seqs, Array.from({ length: 64 }, (_, n) => start + 1 + n));
	});
});
