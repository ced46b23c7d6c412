/* What the forms and the page need: program, menu, staff, ws, health, ready. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../lib/client.js';
import { owner } from '../lib/db.js';
import { env, wsUrl } from '../lib/env.js';
import { done, refused } from '../lib/expect.js';
import { suite } from '../lib/suite.js';
import { addPerson, makeTenant, roles } from '../lib/tenant.js';

suite('program, menu, staff, ws, health, ready', () => {
	test('program: the tenant\'s own', async () => {
		const [t, u] = [await makeTenant({ who: ['viewer'] }), await makeTenant({ who: ['viewer'] })];
		const r = await (await t.login('viewer')).get('/api/program');

		assert.deepEqual(done(r).map((x) => [x.id, x.name]), [[t.programId, t.programName]]);
		assert.ok(!r.text.includes(u.mark));
	});

	test('menu: the tenant\'s own, with cost and programme', async () => {
		const [t, u] = [await makeTenant({ who: ['viewer'] }), await makeTenant({ who: ['viewer'] })];
		const c = await t.login('viewer');
		const r = await c.get('/api/menu');
		const list = done(r);

		assert.deepEqual(list.map((m) => m.id).sort(), t.menus.map((m) => m.id).sort());
		for (const menu of t.menus) {
			const got = list.find((m) => m.id === menu.id);
			assert.equal(got.menuName, menu.name);
			assert.equal(got.menuCode, menu.code);
			assert.equal(got.mealType, menu.mealType);
			assert.equal(got.programId, t.programId);
			assert.equal(Number(got.costPerServing), menu.costPerServing);
			assert.equal(Number(got.servingSize), 350);
		}
		assert.ok(!r.text.includes(u.mark));
	});

	test('menu: what is not active is not offered, or is marked', async () => {
		const t = await makeTenant({ who: ['viewer'] });
		const c = await t.login('viewer');

		await owner('UPDATE dapur.menu SET active = false WHERE id = $1', [t.menus[1].id]);
		const gone = done(await c.get('/api/menu')).find((m) => m.id === t.menus[1].id);
		assert.ok(gone === undefined || gone.active === false);
	});

	test('staff: names and roles, no addresses, no hashes', async () => {
		const [t, u] = [await makeTenant(), await makeTenant({ who: ['viewer'] })];
		const off = await addPerson(t, 'dapur', { active: false });
		const r = await (await t.login('viewer')).get('/api/staff');
		const list = done(r);

		for (const [who, person] of Object.entries(t.people)) {
			const got = list.find((p) => p.id === person.id);
			assert.equal(got.name, person.name);
			assert.equal(got.role, roles[who]);
		}
		const gone = list.find((p) => p.id === off.id);
		assert.ok(gone === undefined || gone.active === false);
		assert.ok(!r.text.includes('argon2'));
		assert.ok(!r.text.includes(u.mark));
	});

	test('unknown queries are refused', async () => {
		const t = await makeTenant({ who: ['viewer'] });
		const c = await t.login('viewer');

		for (const path of ['program', 'menu', 'staff', 'ws', 'session'])
			refused(await c.get(`/api/${path}?sppgId=x`), 422, 'INVALID', ['sppgId']);
	});

	test('ws: where to connect, as whom, to what, with which token', async () => {
		const t = await makeTenant({ who: ['viewer'] });
		const c = await t.login('viewer');
		const r = await c.get('/api/ws');
		const info = done(r);

		for (const name of ['wsUrl', 'sppgId', 'userId', 'channels', 'token', 'config'])
			assert.ok(name in info, name);
		assert.equal(info.wsUrl, wsUrl);
		assert.equal(info.sppgId, t.id);
		assert.equal(info.userId, t.people.viewer.id);
		assert.ok(JSON.stringify(info.channels).includes(`production:updates:${t.id}`));
		assert.equal(typeof info.token, 'string');
		assert.notEqual(info.token, c.token, 'not the session itself');
		assert.ok(!r.text.includes(c.token));
		assert.match(r.headers['cache-control'], /no-store|private.*no-cache/);
		assert.notEqual(done(await c.get('/api/ws')).token, info.token);
	});

	test('health: alive; ready: with its stores', async () => {
		const c = new Client();

		for (const path of ['/api/health', '/api/ready']) {
			const r = await c.get(path);
			done(r);
			assert.match(r.headers['cache-control'], /no-store|private.*no-cache/);
			assert.ok(!r.text.includes(env.DATABASE_URL));
		}
	});
});
