/* websocketd alone: pages, actions and streams on one port, with the limits that dapur-hosting(7) names. */
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { before, test } from 'node:test';
import { Client } from '../../lib/client.js';
import { env } from '../../lib/env.js';
import { done, refused, written } from '../../lib/expect.js';
import { settings } from '../../lib/settings.js';
import { dial } from '../../lib/stream.js';
import { atEnd, suite } from '../../lib/suite.js';
import { makeTenant } from '../../lib/tenant.js';
import { until } from '../../lib/wait.js';
import { ask } from './http.js';

const top = fileURLToPath(new URL('../../../', import.meta.url));

const freePort = () => new Promise((resolve) => {
	const server = net.createServer().listen(0, '127.0.0.1', () => {
		const { port } = server.address();
		server.close(() => resolve(port));
	});
});

suite('websocketd alone', () => {
	let front, t, c;
	const at = (path) => `/api.cgi?${path.slice(4).replace('?', '&')}`;

	before(async () => {
		const folder = mkdtempSync(join(tmpdir(), 'dapur-alone-'));
		const port = await freePort();
		const url = `http://127.0.0.1:${port}`;
		const conf = settings({ public_url: url, trusted_proxy: 0 });

		atEnd(() => rmSync(folder, { recursive: true }));
		execFileSync(join(top, 'websocketd/make-demo'), [folder, conf, join(env.DAPUR_BIN, 'cgi-bin'), join(top, 'www')]);
		const child = spawn('websocketd', ['--address=127.0.0.1', `--port=${port}`, '--loglevel=error',
		    `--cgidir=${folder}/cgi`, `--staticdir=${folder}/www`, join(env.DAPUR_BIN, 'ws/dapur-stream'), '-c', conf],
		    { stdio: 'ignore' });
		atEnd(() => child.kill());
		front = { url, wsUrl: `ws://127.0.0.1:${port}/api/ws` };
		t = await makeTenant({ who: ['kepala'] });
		c = new Client({ url });
		await until('websocketd', () => c.get('/api/health'));
		await c.login(t.people.kepala.email);
	});

	test('paths of one word as they are, all others by /api.cgi?', async () => {
		const p = written(await c.post('/api/production', t.input()), 201);
		assert.equal(done(await c.get('/api/production?limit=1'))[0].id, p.id);
		const one = await c.get(at(`/api/production/${p.id}`));
		assert.equal(done(one).id, p.id);
		assert.equal((await c.get(at(`/api/production/${p.id}`),
		    { headers: { 'If-None-Match': one.headers.etag } })).status, 304);
		const moved = await c.patch(at(`/api/production/${p.id}/status`), { status: 'PREPARING' });
		assert.equal(written(moved).status, 'PREPARING');
		done(await c.get(at('/api/production/stats?from=2026-11-01&to=2026-11-30')));
		refused(await c.get(at('/api/nothing/here')), 404, 'NOT_FOUND');
		refused(await c.get(at('/api/../etc/passwd')), 404, 'NOT_FOUND');
		refused(await new Client({ url: front.url }).get('/api/production'), 401, 'UNAUTHORIZED');
	});

	test('the stream, and the page', async () => {
		const s = dial(c, { url: front.wsUrl, origin: front.url });
		await s.next('connected');
		const p = written(await c.post('/api/production', t.input()), 201);
		await s.next((f) => f.productionId === p.id);
		await s.close();
		const page = await c.get('/', { check: false });
		assert.match(page.text, /websocketd\.js/);
		assert.equal((await c.get('/websocketd.js', { check: false })).status, 200);
	});

	test('what it cannot is a clear answer', async () => {
		const chunked = await ask(front, 'POST /api/production',
		    [`Cookie: ${c.cookie}`, 'Transfer-Encoding: chunked'], '2\r\n{}\r\n0\r\n\r\n');
		assert.equal(chunked.status, 400);
		assert.equal((await c.get('/api/production/x', { check: false })).status, 404);
		const page = await c.get('/api/events?limit=5');
		assert.ok(Array.isArray(done(page)));
	});
});
