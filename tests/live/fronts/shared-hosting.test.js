/* A folder uploaded into a bare Apache with AllowOverride All, and nothing else of ours running. */
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { Client } from '../../lib/client.js';
import { env, password } from '../../lib/env.js';
import { done, refused, written } from '../../lib/expect.js';
import { at, create, setStatus } from '../../lib/production.js';
import { listen } from '../../lib/redis.js';
import { run } from '../../lib/proc.js';
import { suite } from '../../lib/suite.js';
import { makeTenant } from '../../lib/tenant.js';
import { startFront } from './front.js';
import { Events, ask } from './http.js';

suite('shared hosting', () => {
	let front, t, u, c, conf;

	before(async () => {
		[front, t, u] = await Promise.all([startFront('shared'), makeTenant(), makeTenant({ who: ['kepala'] })]);
		conf = join(front.folder, 'home/dapur/dapur.conf');
		c = new Client({ url: front.url });
		await c.login(t.people.kepala.email);
	});

	const contract = async () => {
		const p = await at(c, t, 'COMPLETED');
		assert.equal(p.status, 'COMPLETED');
		const q = await create(c, t);
		refused(await setStatus(c, q.id, 'COMPLETED'), 409, 'ILLEGAL_TRANSITION');
		const list = await c.get('/api/production?limit=50');
		assert.ok(done(list).length >= 2);
		assert.equal((await c.get('/api/production?limit=50',
		    { headers: { 'If-None-Match': list.headers.etag } })).status, 304);
		done(await c.get('/api/production/stats'));
		done(await c.get(`/api/production/${p.id}/events`));
		done(await c.get(`/api/production/${p.id}/quality-checks`));
		for (const path of ['program', 'menu', 'staff', 'session', 'ws', 'health', 'ready'])
			done(await c.get(`/api/${path}`));
		const key = { headers: { 'Idempotency-Key': `k-${t.mark}-${q.id}` } };
		const first = written(await c.post('/api/production', t.input(), key), 201);
		assert.equal(written(await c.post('/api/production', t.input(), key), 201).id, first.id);
		const stranger = new Client({ url: front.url });
		await stranger.login(u.people.kepala.email);
		refused(await stranger.get(`/api/production/${p.id}`), 404, 'NOT_FOUND');
		assert.deepEqual(done(await stranger.get('/api/production')), []);
		const viewer = new Client({ url: front.url });
		await viewer.login(t.people.viewer.email);
		refused(await viewer.post('/api/production', t.input()), 403, 'FORBIDDEN');
		refused(await c.post('/api/production', { menuId: 1 }), 422, 'INVALID');
		refused(await new Client({ url: front.url }).get('/api/production'), 401, 'UNAUTHORIZED');
	};
	const feeds = async () => {
		const s = new Events(front, c);
		await s.next('connected');
		const page = await c.get('/api/events?limit=1');
		const [polled, p] = await Promise.all([
			c.get(`/api/events?wait=20&after=${page.body.head}`), create(c, t)]);
		assert.ok(done(polled).some((e) => e.productionId === p.id));
		await s.next((f) => f.productionId === p.id, 30_000);
		await s.close();
		const again = new Events(front, c, `?after=${page.body.head}`);
		assert.equal((await again.next((f) => Number.isInteger(f.seq))).productionId, p.id);
		await again.close();
	};

	test('without Redis: the actions', contract);
	test('without Redis: the feed, from PostgreSQL alone', feeds);

	test('the settings and the programs are out of reach', async () => {
		assert.equal(statSync(conf).mode & 0o077, 0);
		for (const path of ['/../dapur/dapur.conf', '/..%2fdapur/dapur.conf', '/dapur/dapur.conf', '/dapur.conf',
		    '/.htaccess', '/cgi/', '/cgi/../../dapur/dapur.conf']) {
			const r = await ask(front, `GET ${path}`);
			assert.ok([400, 403, 404].includes(r.status), `${path}: ${r.status}`);
			assert.ok(!r.text.includes('database'), path);
		}
		const direct = await ask(front, 'GET /cgi/api.cgi');
		assert.equal(direct.status, 404);
	});

	test('errors stay JSON, Authorization arrives, the address cannot be made up', async () => {
		refused(await c.get('/api/nothing'), 404, 'NOT_FOUND');
		const bearer = new Client({ url: front.url });
		done(await bearer.get('/api/session', { headers: { authorization: `Bearer ${c.token}` } }));
		const big = await c.request('POST', '/api/production', { raw: ' '.repeat((1 << 20) + 1), type: 'application/json' });
		refused(big, 413, 'TOO_LARGE');
	});

	test('Redis appears: the same, and others hear of it', async () => {
		const redis = new URL(env.REDIS_URL);
		writeFileSync(conf, readFileSync(conf, 'utf8').replace(/^redis = none$/m,
		    `redis = ${redis.host}\nredis_password = ${redis.password}`));
		const bus = await listen(`production:updates:${t.id}`);
		const p = await create(c, t);
		await bus.next((m) => m.text.includes(p.id));
		await contract();
		await feeds();
	});

	test('dapur-relay --once, as cron runs it', async () => {
		const r = await run('dapur-relay', ['-c', conf, '--once']);
		assert.equal(r.code, 0, r.stderr);
	});

	test('one log-in with both roles sees one kitchen at a time', async () => {
		const login = await c.post('/api/session', { email: t.people.dapur.email, password });
		assert.equal(login.status, 201);
		assert.ok(!(await c.get('/api/production?limit=100')).text.includes(u.mark));
	});
});
