/*
 * Who may do what, and never to whom: generated from `dapur routes`, so that a
 * new action is tested the day it is added.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Client } from '../lib/client.js';
import { done, refused, written } from '../lib/expect.js';
import { addCheck, at, check, insert, read, setStatus } from '../lib/production.js';
import { run } from '../lib/proc.js';
import { suite } from '../lib/suite.js';
import { makeTenant, permissions, roles } from '../lib/tenant.js';

/* What dapur-api(7) says; a route that is in neither must not exist. */
const expected = {
	'POST /api/session': 'NONE', 'GET /api/session': 'ANY', 'DELETE /api/session': 'ANY',
	'GET /api/production': 'READ', 'POST /api/production': 'PRODUCTION_MANAGE',
	'PUT /api/production': 'PRODUCTION_MANAGE',
	'GET /api/production/{id}': 'READ', 'PUT /api/production/{id}': 'PRODUCTION_MANAGE',
	'PATCH /api/production/{id}': 'PRODUCTION_MANAGE',
	'DELETE /api/production/{id}': 'PRODUCTION_MANAGE',
	'PUT /api/production/{id}/status': 'PRODUCTION_MANAGE',
	'PATCH /api/production/{id}/status': 'PRODUCTION_MANAGE',
	'GET /api/production/{id}/quality-checks': 'READ',
	'POST /api/production/{id}/quality-checks': 'QUALITY_MANAGE',
	'PUT /api/production/{id}/quality-checks': 'QUALITY_MANAGE',
	'GET /api/production/{id}/events': 'READ', 'GET /api/production/stats': 'READ',
	'GET /api/program': 'READ', 'GET /api/menu': 'READ', 'GET /api/staff': 'READ',
	'GET /api/ws': 'READ', 'GET /api/health': 'NONE', 'GET /api/ready': 'NONE',
};

async function routes()
{
	const { code, stdout, stderr } = await run('dapur', ['routes']);

	assert.equal(code, 0, stderr);
	return stdout.trim().split('\n').map((line) => {
		const [method, short, permission] = line.split('\t');
		const path = short.startsWith('/api') ? short : `/api${short}`;
		const word = permission.toUpperCase();
		return {
			method, name: `${method} ${path}`, path,
			permission: ['-', '–', '', 'NONE', 'PUBLIC'].includes(word) ? 'NONE'
			    : ['ANY', '*', 'SESSION'].includes(word) ? 'ANY' : word,
		};
	});
}

/* A body that is good for the route, so that nothing but the right is missing. */
function bodyFor(route, t, id)
{
	if (route.method === 'GET' || route.method === 'DELETE')
		return undefined;
	if (route.path.endsWith('/status'))
		return { status: 'PREPARING' };
	if (route.path.endsWith('/quality-checks'))
		return check();
	if (route.name === 'PUT /api/production')
		return { id, notes: 'not yours' };
	if (route.path === '/api/production')
		return t.input();
	return { notes: 'not yours' };
}

suite('permissions', () => {
	let all, t, u, mine, theirs;

	before(async () => {
		all = await routes();
		[t, u] = [await makeTenant(), await makeTenant()];
		mine = await at(await t.login('kepala'), t, 'COOKING');
		theirs = await at(await u.login('kepala'), u, 'COOKING', { notes: `secret ${u.mark}` });
		written(await addCheck(await u.login('kepala'), theirs.id, { notes: u.mark }), 201);
	});

	const send = (client, route, tenant, id, options) => client.request(route.method,
	    route.path.replace(/\{[^}]+\}/g, encodeURIComponent(id)),
	    { body: bodyFor(route, tenant, id), ...options });

	test('the routes are those of the contract, with its permissions', () => {
		const got = Object.fromEntries(all.map((r) => [r.name, r.permission]));

		for (const [name, permission] of Object.entries(expected))
			assert.equal(got[name], permission, name);
		for (const name of Object.keys(got))
			if (!(name in expected))
				assert.notEqual(got[name], 'NONE', `${name} is open to anybody`);
	});

	for (const who of Object.keys(roles))
		test(`${who}: 403 for every route beyond the role, and no change`, async () => {
			const c = await t.login(who);
			const lacking = all.filter((r) => !['NONE', 'ANY'].includes(r.permission)
			    && !permissions[who].includes(r.permission));
			const count = async () => (await (await t.login('kepala'))
				.get('/api/production')).headers['x-stream-position'];
			const head = await count();

			if (!['kepala', 'produksi'].includes(who))
				assert.ok(lacking.length > 0);
			for (const route of lacking)
				refused(await send(c, route, t, mine.id), 403, 'FORBIDDEN');
			assert.equal(await count(), head);
		});

	for (const who of Object.keys(roles))
		test(`${who}: no 401 or 403 for what the role may`, async () => {
			const c = await t.login(who);

			for (const route of all.filter((r) => permissions[who].includes(r.permission))) {
				const r = await send(c, route, t, 'no-such-id');
				assert.ok(![401, 403, 500].includes(r.status), `${route.name}: ${r.text}`);
			}
		});

	test('nobody: 401 for every route that asks for somebody', async () => {
		const nobody = new Client();

		for (const route of all.filter((r) => r.permission !== 'NONE'))
			refused(await send(nobody, route, t, mine.id), 401, 'UNAUTHORIZED');
	});

	test('the right is asked before the input: a viewer learns nothing of the rules', async () => {
		const c = await t.login('viewer');

		refused(await c.post('/api/production', { nonsense: 1 }), 403, 'FORBIDDEN');
		refused(await c.patch('/api/production/no-such', {}), 403, 'FORBIDDEN');
		refused(await new Client().post('/api/production', { nonsense: 1 }), 401, 'UNAUTHORIZED');
		for (const body of [{}, { nonsense: 1 }]) {
			const forged = { headers: { cookie: `${c.cookie.split('=')[0]}=${'Z'.repeat(43)}` } };
			refused(await c.patch('/api/production/no-such', body, forged), 401, 'UNAUTHORIZED');
		}
	});

	test('wrong tenant: every route with {id} says 404 and not a byte more', async () => {
		const before = await read(await u.login('kepala'), theirs.id);
		const with_id = all.filter((r) => r.path.includes('{') || r.name === 'PUT /api/production');

		assert.ok(with_id.length >= 9);
		for (const who of ['kepala', 'produksi', 'admin', 'viewer']) {
			const c = await t.login(who);
			for (const route of with_id.filter((r) => permissions[who].includes(r.permission)))
				for (const headers of [{}, { 'if-match': `"v${before.version}"` },
				    { 'if-none-match': `"v${before.version}"` }]) {
					const r = await send(c, route, t, theirs.id, { headers });
					const none = await send(c, route, t, 'no-such-id', { headers });
					refused(r, 404, 'NOT_FOUND');
					assert.equal(r.body.error.replaceAll(theirs.id, ''),
					    none.body.error.replaceAll('no-such-id', ''), route.name);
					assert.ok(!r.text.includes(u.mark), route.name);
					assert.ok(!('etag' in r.headers), route.name);
				}
		}
		assert.deepEqual(await read(await u.login('kepala'), theirs.id), before);
	});

	test('wrong tenant: filters with its ids find nothing', async () => {
		const c = await t.login('kepala');

		for (const query of [`menuId=${u.menus[0].id}`, `programId=${u.programId}`,
		    `headCook=${u.people.dapur.id}`, `search=${theirs.batchNumber}-${u.mark}`,
		    `search=${u.mark}`]) {
			const r = await c.get(`/api/production?${query}`);
			assert.deepEqual(done(r), [], query);
			assert.equal(r.body.pagination.total, 0);
		}
	});

	test('wrong tenant: neither a header nor a member nor a query names another', async () => {
		const c = await t.login('kepala');

		refused(await c.get(`/api/production?sppgId=${u.id}`), 422, 'INVALID', ['sppgId']);
		refused(await c.post('/api/production', t.input({ sppgId: u.id })), 422, 'INVALID', ['sppgId']);
		for (const name of ['x-tenant', 'x-sppg-id', 'sppgid', 'dapur-tenant', 'x-user', 'remote-user']) {
			const r = await c.get('/api/production', { headers: { [name]: u.id } });
			assert.ok(!r.text.includes(u.mark), name);
		}
	});

	test('the same id in two tenants (rows of an importer): each sees and changes its own', async () => {
		const [c, d] = [await t.login('kepala'), await u.login('kepala')];
		const id = `shared-${Date.now()}`;
		const path = `/api/production/${id}`;

		await insert(t, { id, notes: t.mark });
		await insert(u, { id, notes: u.mark });
		const before = await read(d, id);
		assert.equal(before.notes, u.mark);
		assert.equal((await read(c, id)).notes, t.mark);
		written(await c.patch(path, { notes: 'mine' }));
		written(await setStatus(c, id, 'PREPARING'));
		written(await setStatus(c, id, 'COOKING'));
		written(await addCheck(c, id, { notes: t.mark }), 201);
		assert.deepEqual(await read(d, id), before);
		assert.deepEqual(done(await d.get(`${path}/quality-checks`)), []);
		const history = await d.get(`${path}/events`);
		assert.equal(done(history).length, 1);
		assert.equal(done(history)[0].sppgId, u.id);
		for (const e of done(await c.get(`${path}/events`)))
			assert.equal(e.sppgId, t.id);
		written(await setStatus(c, id, 'CANCELLED', { reason: 'x' }));
		written(await c.delete(path));
		assert.deepEqual(await read(d, id), before);
	});

	test('the order of two tenants\' requests on one connection does not mix them', async () => {
		const [c, d] = [await t.login('kepala'), await u.login('kepala')];

		await Promise.all(Array.from({ length: 60 }, async (_, n) => {
			const [client, own, other] = n % 2 ? [c, t, u] : [d, u, t];
			const r = await client.get('/api/production');
			assert.ok(done(r).every((p) => p.sppgId === own.id));
			assert.ok(!r.text.includes(other.mark));
		}));
	});
});
