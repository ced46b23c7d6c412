/*
 * The same binary as a plain CGI, as shared hosts run it; and what the outside
 * sees when PostgreSQL is not there (503) or not as it should be (500).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cgi } from '../lib/cgi.js';
import { env, password } from '../lib/env.js';
import { settings } from '../lib/settings.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

suite('as a plain CGI', () => {
	test('health, log in, an action, an error', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const login = await cgi('POST', '/api/session',
		    { body: JSON.stringify({ email: t.people.dapur.email, password }) });

		assert.equal((await cgi('GET', '/api/health')).status, 200);
		assert.equal(login.status, 201, login.text);
		const cookie = { HTTP_COOKIE: login.headers['set-cookie'].split(';')[0] };
		const made = await cgi('POST', '/api/production',
		    { body: JSON.stringify(t.input()), ...cookie });
		assert.equal(made.status, 201, made.text);
		assert.equal(made.body.data.sppgId, t.id);
		assert.equal((await cgi('GET', '/api/production?limit=1', cookie)).body.data.length, 1);
		assert.equal((await cgi('GET', '/api/production')).status, 401);
		assert.equal((await cgi('GET', '/api/nothing')).status, 404);
	});

	test('PostgreSQL away: 503 UNAVAILABLE with Retry-After, health goes on', async () => {
		const conf = settings({ database: 'host=/nonexistent dbname=dapur user=dapur_app' });
		const cookie = { HTTP_COOKIE: `dapur_session=${'A'.repeat(43)}`, conf };

		for (const [method, path, more] of [
			['GET', '/api/ready', { conf }], ['GET', '/api/production', cookie],
			['POST', '/api/session', { conf, body: JSON.stringify({ email: 'a@b.test', password: 'x' }) }],
			['PATCH', '/api/production/x', { ...cookie, body: '{"notes":"x"}' }],
		]) {
			const r = await cgi(method, path, more);
			assert.equal(r.status, 503, `${method} ${path}: ${r.text}`);
			assert.equal(r.body.code, 'UNAVAILABLE');
			assert.equal(r.body.success, false);
			assert.match(r.headers['retry-after'] ?? '', /^[1-9]\d*$/);
			assert.ok(!/nonexistent|libpq|socket|dapur_app/.test(r.text), r.text);
		}
		assert.equal((await cgi('GET', '/api/health', { conf })).status, 200);
	});

	test('a database without the schema: 500 INTERNAL, without its innards', async () => {
		const conninfo = new URL(env.APP_DATABASE_URL);
		const conf = settings({ database: `host=${conninfo.hostname} port=${conninfo.port} `
		    + `dbname=postgres user=${conninfo.username} password=${conninfo.password}` });
		const r = await cgi('GET', '/api/production',
		    { HTTP_COOKIE: `dapur_session=${'A'.repeat(43)}`, conf });

		assert.equal(r.status, 500, r.text);
		assert.equal(r.body.code, 'INTERNAL');
		assert.ok(!/dapur\.|schema|relation|function|enter/.test(r.text), r.text);
	});

	test('Redis away: every action works', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');

		for (const redis of ['127.0.0.1:1', 'unix:/nonexistent/redis.sock', 'none']) {
			const r = await cgi('POST', '/api/production', { body: JSON.stringify(t.input()),
			    conf: settings({ redis }), HTTP_COOKIE: c.cookie });
			assert.equal(r.status, 201, r.text);
		}
	});

	test('behind https the cookie is __Host- and Secure', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const conf = settings({ public_url: 'https://dapur.example' });
		const r = await cgi('POST', '/api/session', { conf, HTTPS: 'on',
		    HTTP_HOST: 'dapur.example', HTTP_ORIGIN: 'https://dapur.example',
		    body: JSON.stringify({ email: t.people.dapur.email, password }) });

		assert.equal(r.status, 201, r.text);
		assert.match(r.headers['set-cookie'], /^__Host-dapur_session=[\w-]{43};/);
		assert.match(r.headers['set-cookie'], /; Secure/);
		assert.match(r.headers['set-cookie'], /; Path=\/(;|$)/);
		assert.ok(!/domain/i.test(r.headers['set-cookie']));
		const cookie = r.headers['set-cookie'].split(';')[0];
		assert.equal((await cgi('GET', '/api/session', { conf, HTTP_COOKIE: cookie })).status, 200);
		assert.equal((await cgi('GET', '/api/session',
		    { conf, HTTP_COOKIE: cookie.replace('__Host-', '') })).status, 401);
		const info = await cgi('GET', '/api/ws', { conf, HTTP_COOKIE: cookie });
		assert.equal(info.body.data.wsUrl, 'wss://dapur.example/api/ws');
	});

	test('an allowed origin may write and read the answer, no other', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const c = await t.login('dapur');
		const conf = settings({ allowed_origins: 'https://board.example, https://two.example:8443' });
		const from = (HTTP_ORIGIN, more = {}) => cgi('POST', '/api/production',
		    { conf, HTTP_COOKIE: c.cookie, body: JSON.stringify(t.input()), HTTP_ORIGIN, ...more });

		for (const good of ['https://board.example', 'https://two.example:8443']) {
			const r = await from(good, { HTTP_SEC_FETCH_SITE: 'cross-site' });
			assert.equal(r.status, 201, r.text);
			assert.equal(r.headers['access-control-allow-origin'], good);
			assert.equal(r.headers['access-control-allow-credentials'], 'true');
			assert.match(r.headers.vary ?? '', /origin/i);
		}
		for (const bad of ['https://board.example.evil', 'https://board.exampl', 'https://two.example',
		    'https://board.example:444', 'https://', 'null', '*', ',', 'https://board.example, x']) {
			const r = await from(bad);
			assert.equal(r.status, 403, bad);
			assert.equal(r.body.code, 'CROSS_SITE');
			assert.ok(!('access-control-allow-origin' in r.headers), bad);
		}
	});

	test('a promised body that does not come is an answer, not a hang', async () => {
		const r = await cgi('POST', '/api/session', { body: '{"email":', CONTENT_LENGTH: '5000' });

		assert.equal(r.status, 400, r.text);
		assert.equal(r.body.code, 'BAD_JSON');
		for (const length of ['-1', 'x', '99999999999999999999', '0x10', ' 5'])
			assert.ok([400, 401, 413, 422].includes((await cgi('POST', '/api/session',
			    { body: '{"a":1}', CONTENT_LENGTH: length })).status), length);
	});

	test('odd environments are an answer too', async () => {
		for (const more of [{ REQUEST_URI: '' }, { REQUEST_METHOD: '' }, { REQUEST_METHOD: 'BREW' },
		    { HTTP_COOKIE: '='.repeat(20_000) }, { HTTP_HOST: '' }, { QUERY_STRING: '&=&%' },
		    { REMOTE_ADDR: 'nonsense' }, { HTTP_ACCEPT: 'x'.repeat(9000) }, { REQUEST_URI: '/api/%' },
		    { HTTP_X_REQUEST_ID: 'a\r\nSet-Cookie: x=y' }, { UNIQUE_ID: 'a\r\nSet-Cookie: x=y' }]) {
			const r = await cgi('GET', '/api/production', more);
			assert.ok(r.status >= 400 && r.status < 500, JSON.stringify(more).slice(0, 60));
			assert.ok(!('set-cookie' in r.headers));
		}
	});
});
