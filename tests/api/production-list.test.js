/* GET /api/production: every filter, pages, ETag and X-Stream-Position. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { done, position, refused, written } from '../lib/expect.js';
import { at, create, insert, read, setStatus } from '../lib/production.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

suite('GET /api/production', () => {
	let t, c, all;

	before(async () => {
		t = await makeTenant({ who: ['kepala', 'dapur', 'viewer'] });
		c = await t.login('kepala');
		all = {
			planned: await create(c, t, { productionDate: '2026-11-20',
			    notes: 'for the Harvest day', batchNumber: `Soto-${t.mark}` }),
			cooking: await at(c, t, 'COOKING', { productionDate: '2026-11-21',
			    menuId: t.menus[1].id, headCook: t.people.kepala.id }),
			completed: await at(c, t, 'COMPLETED', { productionDate: '2026-11-22' }),
			cancelled: await at(c, t, 'CANCELLED', { productionDate: '2026-11-23' }),
		};
	});

	const names = (list) => list.map((p) =>
		Object.keys(all).find((name) => all[name].id === p.id) ?? p.id).sort();
	const ask = async (query) => names(done(await c.get(`/api/production?${query}`)));

	test('lists the same objects as GET one', async () => {
		const list = done(await c.get('/api/production'));

		assert.equal(list.length, 4);
		for (const p of list)
			assert.deepEqual(p, await read(c, p.id));
	});

	test('filters, alone and together', async () => {
		assert.deepEqual(await ask('status=PLANNED'), ['planned']);
		assert.deepEqual(await ask('status=PLANNED,COOKING'), ['cooking', 'planned']);
		assert.deepEqual(await ask('status=PLANNED%2CCANCELLED'), ['cancelled', 'planned']);
		assert.deepEqual(await ask('status=PREPARING'), []);
		assert.deepEqual(await ask('from=2026-11-21'), ['cancelled', 'completed', 'cooking']);
		assert.deepEqual(await ask('to=2026-11-21'), ['cooking', 'planned']);
		assert.deepEqual(await ask('from=2026-11-21&to=2026-11-22'), ['completed', 'cooking']);
		assert.deepEqual(await ask(`menuId=${t.menus[1].id}`), ['cooking']);
		assert.deepEqual(await ask('menuId=no-such'), []);
		assert.deepEqual(await ask(`programId=${t.programId}`), Object.keys(all).sort());
		assert.deepEqual(await ask('programId=no-such'), []);
		assert.deepEqual(await ask(`headCook=${t.people.kepala.id}`), ['cooking']);
		assert.deepEqual(await ask(`status=COOKING,COMPLETED&from=2026-11-22&menuId=${t.menus[0].id}`),
		    ['completed']);
	});

	test('search finds batch numbers and menu names, in any case, literally', async () => {
		assert.deepEqual(await ask(`search=sOtO-${t.mark}`), ['planned']);
		assert.deepEqual(await ask(`search=${encodeURIComponent(t.menus[1].name)}`), ['cooking']);
		assert.deepEqual(await ask('search=no-such-thing'), []);
		assert.deepEqual(await ask('search=%25'), [], 'a percent sign is no wildcard');
		assert.deepEqual(await ask('search=_____'), [], 'an underscore is no wildcard');
		assert.deepEqual(await ask('search=%5C'), [], 'a backslash escapes nothing');
		assert.deepEqual(await ask(`search=${encodeURIComponent("x' OR '1'='1")}`), []);
	});

	test('pages: total, page, limit, pages; each row once', async () => {
		const seen = [];

		for (let page = 1; page <= 3; page++) {
			const r = await c.get(`/api/production?limit=2&page=${page}`);
			seen.push(...done(r).map((p) => p.id));
			assert.deepEqual(r.body.pagination, { total: 4, page, limit: 2, pages: 2 });
		}
		assert.equal(seen.length, 4);
		assert.equal(new Set(seen).size, 4);

		const none = await c.get('/api/production?status=PREPARING');
		assert.equal(none.body.pagination.total, 0);
		assert.deepEqual(none.body.data, []);
		const filtered = await c.get('/api/production?status=PLANNED&limit=1');
		assert.equal(filtered.body.pagination.total, 1);
		assert.equal(filtered.body.pagination.pages, 1);
	});

	test('the order does not change between two pages or two askings', async () => {
		const a = done(await c.get('/api/production')).map((p) => p.id);
		const b = done(await c.get('/api/production?limit=100')).map((p) => p.id);

		assert.deepEqual(a, b);
	});

	test('bad queries are named, all at once', async () => {
		for (const [query, paths] of [
			['status=COOKED', 'status'], ['status=PLANNED,nope', 'status'],
			['from=yesterday', 'from'], ['to=2026-02-31', 'to'], ['page=0', 'page'],
			['page=-1', 'page'], ['page=x', 'page'], ['page=1.5', 'page'],
			['page=99999999999999999999', 'page'], ['limit=0', 'limit'],
			['limit=100000', 'limit'], ['limit=1e3', 'limit'], ['nonsense=1', 'nonsense'],
			[`search=${'x'.repeat(3000)}`, 'search'], ['search=%00', '?'],
			['search=%ff%fe', '?'], ['page=0&limit=0&colour=red', ['page', 'limit', 'colour']],
		]) {
			const faults = refused(await c.get(`/api/production?${query}`), 422, 'INVALID');
			assert.deepEqual(faults.map((f) => f.path.replace(/[[.].*/, '')).sort(),
			    [paths].flat().sort(), query.slice(0, 60));
		}
		const empty = await c.get('/api/production?');
		assert.equal(empty.status, 200);
	});

	test('the list of another tenant is its own', async () => {
		const u = await makeTenant({ who: ['viewer'] });
		const r = await (await u.login('viewer')).get('/api/production');

		assert.deepEqual(done(r), []);
		assert.ok(!r.text.includes(t.mark));
	});

	test('X-Stream-Position is the head: a write moves it on by its events', async () => {
		const u = await makeTenant({ who: ['dapur'] });
		const d = await u.login('dapur');
		const pos = async (path) => position((await d.get(path)).headers['x-stream-position']);
		const empty = await pos('/api/production');
		const r = await d.post('/api/production', u.input());
		const id = written(r, 201).id;
		const mine = position(r.body.position);

		assert.deepEqual(mine, { epoch: empty.epoch, seq: empty.seq + 1 });
		assert.deepEqual(await pos('/api/production'), mine);
		assert.deepEqual(await pos(`/api/production/${id}`), mine);
		for (const path of ['/api/menu', '/api/program', '/api/staff'])
			assert.deepEqual(await pos(path), mine, path);
	});

	test('the list\'s ETag: 304 until anything is written', async () => {
		const u = await makeTenant({ who: ['dapur'] });
		const d = await u.login('dapur');
		const p = await create(d, u);
		const first = await d.get('/api/production');
		const etag = first.headers.etag;
		const again = (path = '/api/production', value = etag) =>
			d.get(path, { headers: { 'if-none-match': value } });

		assert.match(etag, /^(W\/)?"[\x21\x23-\x7e]+"$/);
		const same = await again();
		assert.equal(same.status, 304);
		assert.equal(same.raw.length, 0);
		assert.equal(same.headers.etag, etag);
		assert.equal((await again('/api/production', `"other", ${etag}`)).status, 304);
		assert.equal((await again('/api/production', `W/${etag.replace(/^W\//, '')}`)).status, 304);
		assert.equal((await again('/api/production', '"other"')).status, 200);

		written(await setStatus(d, p.id, 'PREPARING'));
		const changed = await again();
		assert.equal(changed.status, 200);
		assert.notEqual(changed.headers.etag, etag);
	});

	test('two tenants at the same seq: a cached list of one is never confirmed to the other', async () => {
		const [u, v] = [await makeTenant({ who: ['dapur'] }), await makeTenant({ who: ['dapur'] })];
		const [d, e] = [await u.login('dapur'), await v.login('dapur')];

		for (const path of ['/api/production', '/api/menu', '/api/program', '/api/staff',
		    '/api/production/stats']) {
			const mine = await d.get(path);
			const theirs = await e.get(path);
			assert.equal(mine.headers['x-stream-position'], theirs.headers['x-stream-position'],
			    'the test needs two tenants at the same seq');
			assert.match(mine.headers['cache-control'], /private|no-store/);
			if (!mine.headers.etag)
				continue;
			const r = await e.get(path, { headers: { 'if-none-match': mine.headers.etag } });
			assert.ok(r.status === 200 || /cookie/i.test(mine.headers.vary ?? ''),
			    `${path}: after a change of user on one computer the browser shows the old tenant`);
		}
	});

	test('the same list asked by two people has the same ETag rule: each sees its own', async () => {
		const u = await makeTenant({ who: ['dapur', 'viewer'] });
		const [d, e] = [await u.login('dapur'), await u.login('viewer')];
		const etag = (await d.get('/api/production')).headers.etag;

		await create(d, u);
		const r = await e.get('/api/production', { headers: { 'if-none-match': etag } });
		assert.equal(r.status, 200);
		assert.equal(done(r).length, 1);
	});

	test('another kitchen\'s ETag is nobody\'s, though both stand at one position', async () => {
		const [t, u] = [await makeTenant({ who: ['viewer'] }), await makeTenant({ who: ['viewer'] })];
		const [c, d] = [await t.login('viewer'), await u.login('viewer')];

		for (const path of ['/api/production', '/api/menu', '/api/program', '/api/staff',
		    '/api/production/stats']) {
			const mine = await c.get(path);
			assert.equal((await d.get(path)).headers['x-stream-position'],
			    mine.headers['x-stream-position'], 'the test needs kitchens alike');
			assert.equal((await d.get(path, { headers: { 'if-none-match': mine.headers.etag } })).status,
			    200, path);
			assert.equal((await c.get(path, { headers: { 'if-none-match': mine.headers.etag } })).status,
			    304, path);
		}
	});

	test('the ETag of one row is "v<version>": 304, then changed by a write', async () => {
		const u = await makeTenant({ who: ['dapur'] });
		const d = await u.login('dapur');
		const p = await create(d, u);
		const path = `/api/production/${p.id}`;
		const first = await d.get(path);

		assert.equal(first.headers.etag, `"v${p.version}"`);
		assert.equal((await d.get(path, { headers: { 'if-none-match': '"v1"' } })).status, 304);
		const q = written(await setStatus(d, p.id, 'PREPARING'));
		assert.ok(q.version > p.version);
		const second = await d.get(path, { headers: { 'if-none-match': '"v1"' } });
		assert.equal(second.status, 200);
		assert.equal(second.headers.etag, `"v${q.version}"`);
	});

	test('rows of importers keep their ids, and are found by them', async () => {
		const u = await makeTenant({ who: ['dapur'] });
		const d = await u.login('dapur');

		for (const id of [`cuid_${u.mark}`, `Ünïcode ${u.mark}`, `a.b~c:${u.mark}`, `42${u.mark}`]) {
			await insert(u, { id });
			assert.equal((await read(d, encodeURIComponent(id))).id, id);
			written(await setStatus(d, encodeURIComponent(id), 'PREPARING'));
		}
	});
});
