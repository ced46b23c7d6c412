/* GET /api/production/{id}/events and /api/production/stats. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { done, position, refused, written } from '../lib/expect.js';
import { addCheck, at, create, read, setStatus } from '../lib/production.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

suite('history and statistics', () => {
	test('the history says who did what when, as the stream did', async () => {
		const t = await makeTenant();
		const [chef, qc] = [await t.login('dapur'), await t.login('qc')];
		const p = await create(chef, t);

		await create(chef, t);	/* another one, not part of this history */
		written(await chef.patch(`/api/production/${p.id}`, { notes: 'cepat' }));
		written(await setStatus(chef, p.id, 'PREPARING'));
		written(await setStatus(chef, p.id, 'COOKING'));
		const q = written(await addCheck(qc, p.id, { passed: false }), 201);
		const last = await setStatus(chef, p.id, 'CANCELLED', { reason: 'asin' });
		written(last);

		const events = done(await chef.get(`/api/production/${p.id}/events`));
		const asc = events[0].seq < events[1].seq ? events : [...events].reverse();
		assert.deepEqual(asc.map((e) => e.type), ['production_created', 'production_updated',
		    'status_changed', 'status_changed', 'quality_check_added', 'status_changed']);
		for (let n = 1; n < asc.length; n++)
			assert.ok(asc[n].seq > asc[n - 1].seq);
		for (const e of asc) {
			assert.equal(e.sppgId, t.id);
			assert.equal(e.topic, 'production');
			assert.equal(e.productionId, p.id);
			assert.equal(position(e.position).seq, e.seq);
			assert.ok(Math.abs(Date.parse(e.timestamp) - Date.now()) < 3_600_000);
		}
		assert.deepEqual(asc[2].from + asc[2].to, 'PLANNEDPREPARING');
		assert.deepEqual(asc[5].from + asc[5].to, 'COOKINGCANCELLED');
		assert.equal(asc[5].position, last.body.position);
		assert.equal(asc[0].userId, t.people.dapur.id);
		assert.equal(asc[4].userId, t.people.qc.id);
		assert.deepEqual(asc[4].data, q);
		assert.equal(asc[4].production.qualityPassed, false);
		assert.deepEqual(asc[5].data, await read(chef, p.id));
	});

	test('the history of nothing: 404; of another tenant: 404', async () => {
		const [t, u] = [await makeTenant({ who: ['dapur'] }), await makeTenant({ who: ['dapur'] })];
		const [c, d] = [await t.login('dapur'), await u.login('dapur')];
		const p = await create(c, t);

		refused(await c.get('/api/production/none/events'), 404, 'NOT_FOUND');
		refused(await d.get(`/api/production/${p.id}/events`), 404, 'NOT_FOUND');
	});

	test('stats count what is there, within from and to', async () => {
		const t = await makeTenant();
		const c = await t.login('kepala');
		const stats = async (query = '') => done(await c.get(`/api/production/stats${query}`));
		const day = (n) => ({ productionDate: `2026-11-${n}` });

		const empty = await stats();
		await create(c, t, day(10));
		await create(c, t, day(11));
		await at(c, t, 'COOKING', day(11));
		await at(c, t, 'COMPLETED', day(12));
		await at(c, t, 'CANCELLED', day(12));
		const s = await stats('?from=2026-11-01&to=2026-11-30');
		const counts = s.byStatus;

		assert.equal(counts.PLANNED, 2, JSON.stringify(s));
		assert.equal(counts.COOKING, 1);
		assert.equal(counts.COMPLETED, 1);
		assert.equal(counts.CANCELLED, 1);
		assert.equal(s.total, 5);
		assert.equal((await stats('?from=2026-11-11&to=2026-11-11')).total, 2);
		assert.equal((await stats('?from=2026-12-01&to=2026-12-31')).total, 0);
		assert.equal(empty.total, 0);
		assert.deepEqual(Object.keys(empty).sort(), Object.keys(s).sort());
		assert.equal(s.actualPortions, 118);
		assert.equal(s.plannedPortions, 600);
		assert.equal(s.qualityPassed, 1);

		const u = await makeTenant({ who: ['viewer'] });
		assert.equal(done(await (await u.login('viewer'))
			.get('/api/production/stats')).total, 0);
	});

	test('stats: bad queries are named', async () => {
		const t = await makeTenant({ who: ['viewer'] });
		const c = await t.login('viewer');

		refused(await c.get('/api/production/stats?from=x&to=2026-02-30&y=1'), 422, 'INVALID',
		    ['from', 'to', 'y']);
	});
});
