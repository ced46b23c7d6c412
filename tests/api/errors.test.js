/* Bad bytes, wrong paths and methods, foreign sites: a clear 4xx for each. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Client } from '../lib/client.js';
import { origin } from '../lib/env.js';
import { done, refused, written } from '../lib/expect.js';
import { create } from '../lib/production.js';
import { ask } from '../lib/raw.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

suite('errors', () => {
	let t, c;
	const post = (raw, options) => c.request('POST', '/api/production', { raw, ...options });

	before(async () => {
		t = await makeTenant({ who: ['dapur'] });
		c = await t.login('dapur');
	});

	test('bodies that are no JSON object', async () => {
		for (const raw of ['', ' ', '{', '{]', '{"a":1}x', '{"a":1}{"b":2}', '{"a":1,}',
		    '{a:1}', 'nul', '{"a":1 /* x */}', '{"a":"\\x41"}', '\ufeff{"a":1}', '{"a":"\\ud800"}x',
		    '<xml/>', 'a=b&c=d', '{"a":+1}', '{"a":.5}', '{"a":"unended'])
			refused(await post(raw), 400, 'BAD_JSON');
		/* json-c takes a few of these; then it is the fields that are wrong */
		for (const raw of ['[]', '"text"', '5', 'null', 'true', '[{"a":1}]', '{"a":NaN}',
		    '{"a":Infinity}', '{"a":01}', '{"a":"\t"}', "{'a':1}"]) {
			const r = await post(raw);
			assert.ok([400, 422].includes(r.status), `${raw}: ${r.text}`);
			refused(r, r.status, r.status === 400 ? 'BAD_JSON' : 'INVALID');
		}
	});

	test('invalid UTF-8 and raw NUL bytes', async () => {
		const around = (...bytes) => Buffer.concat([Buffer.from('{"notes":"'),
		    Buffer.from(bytes), Buffer.from('"}')]);

		for (const bytes of [[0xff], [0xc3], [0xc0, 0x80], [0xe2, 0x82], [0xed, 0xa0, 0x80],
		    [0xf5, 0x80, 0x80, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe0, 0x80, 0x80], [0x80], [0x00]]) {
			refused(await post(around(...bytes)), 400, 'BAD_JSON');
			refused(await post(Buffer.concat([Buffer.from('{"'), Buffer.from(bytes),
			    Buffer.from('":1}')])), 400, 'BAD_JSON');
		}
		refused(await post(Buffer.from('{"a":1}\0')), 400, 'BAD_JSON');
		refused(await post(Buffer.from('\0')), 400, 'BAD_JSON');
	});

	test('escaped NUL, lone surrogates and control characters in strings', async () => {
		const escaped = (text) => JSON.stringify(t.input({ notes: '@' })).replace('@', text);

		for (const text of ['\\u0000', 'a\\u0000b']) {
			const r = await post(escaped(text));
			assert.ok([400, 422].includes(r.status), r.text);
			refused(r, r.status, r.status === 400 ? 'BAD_JSON' : 'INVALID');
		}
		for (const text of ['\\ud800', '\\udc00\\ud800']) {
			const r = await post(escaped(text));
			assert.ok([201, 400, 422].includes(r.status), r.text);
			if (r.status === 201)	/* then it must be valid UTF-8 that comes back */
				assert.ok(Buffer.from(r.text, 'utf8').equals(r.raw));
		}
		written(await post(escaped('\\ud83c\\udf5b')), 201);
		refused(await post(JSON.stringify(t.input({ headCook: 'a\u0001b' }))), 422, 'INVALID');
	});

	test('a member twice is refused or the last wins; never the first for some and last for others', async () => {
		const text = JSON.stringify(t.input({ notes: 'first' }));
		const r = await post(`${text.slice(0, -1)},"notes":"second"}`);

		assert.ok([201, 400, 422].includes(r.status), r.text);
		if (r.status === 201)
			assert.equal(r.body.data.notes, 'second');
	});

	test('deep nesting and wide objects', async () => {
		for (const depth of [33, 1000, 100_000]) {
			const r = await post(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`);
			assert.ok([400, 422].includes(r.status), `${depth}: ${r.status}`);
		}
		refused(await post(`{"a":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`), 400, 'BAD_JSON');
		const wide = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`k${n}`, n]));
		const r = await post(JSON.stringify(wide));
		refused(r, 422, 'INVALID');
		assert.ok(r.raw.length < 1 << 20, 'the answer to a wide object is not as wide');
		for (const name of ['k'.repeat(500_000), 'é'.repeat(500), `k${'é'.repeat(500)}`,
		    '"\\\n<>\u2028', '\u{1f35b}'.repeat(300), ''])
			refused(await post(JSON.stringify({ [name]: 1 })), 422, 'INVALID');
	});

	test('1 MiB is read; 1 MiB and one byte is TOO_LARGE', async () => {
		const sized = (n) => {
			const text = JSON.stringify({ notes: '@' });
			return text.replace('@', 'n'.repeat(n - text.length + 1));
		};

		assert.equal(Buffer.byteLength(sized(1 << 20)), 1 << 20);
		refused(await post(sized(1 << 20)), 422, 'INVALID');
		refused(await post(sized((1 << 20) + 1)), 413, 'TOO_LARGE');
		done(await c.get('/api/session'));	/* the next request is none the worse */
	});

	test('8 MiB is TOO_LARGE too, and a body that is promised but does not come ends no worker', async () => {
		const r = await post(Buffer.alloc(8 << 20, 0x20)).catch((error) => error);
		if (!(r instanceof Error))
			refused(r, 413, 'TOO_LARGE');
		else
			assert.match(r.code ?? '', /EPIPE|ECONNRESET/);
		done(await c.get('/api/session'));
	});

	test('wrong types are named', async () => {
		const wrong = Object.fromEntries(Object.keys(t.input()).map((name) => [name, { a: [1] }]));

		refused(await c.post('/api/production', wrong), 422, 'INVALID', Object.keys(wrong));
	});

	test('text/plain is JSON too, as the seed\'s fetch sends it; so is a charset', async () => {
		for (const type of ['text/plain;charset=UTF-8', 'text/plain', 'application/json; charset=utf-8',
		    'Application/JSON'])
			written(await c.post('/api/production', t.input(), { type }), 201);
	});

	test('a form is not JSON, whatever it calls itself', async () => {
		for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x',
		    'application/json', 'text/plain', null])
			for (const raw of ['menuId=x&notes=y', '--x\r\nContent-Disposition: form-data\r\n\r\n{}\r\n--x--'])
				refused(await post(raw, { type }), 400, 'BAD_JSON');
	});

	test('writes from another site: 403 CROSS_SITE; from here: taken', async () => {
		const send = (options) => c.post('/api/production', t.input(), options);
		const site = (value, o) => send({ origin: o, headers: { 'sec-fetch-site': value } });

		for (const foreign of ['https://evil.example', 'null', `${origin}.evil.example`,
		    origin.replace('://', '://evil.'), `${origin}0`, 'x'])
			refused(await send({ origin: null, headers: { origin: foreign } }), 403, 'CROSS_SITE');
		refused(await site('cross-site', 'https://evil.example'), 403, 'CROSS_SITE');
		refused(await site('cross-site', null), 403, 'CROSS_SITE');
		refused(await site('same-site', 'https://other.example'), 403, 'CROSS_SITE');
		written(await site('same-origin', origin), 201);
		written(await site('same-origin', null), 201);
		written(await send({ origin }), 201);
		for (const method of ['PUT', 'PATCH', 'DELETE'])
			refused(await c.request(method, '/api/production/x', {
			    body: method === 'DELETE' ? undefined : {}, origin: 'https://evil.example' }),
			    403, 'CROSS_SITE');
		refused(await new Client().post('/api/session', { email: 'a@b.c', password: 'x' },
		    { origin: 'https://evil.example' }), 403, 'CROSS_SITE');
		refused(await c.delete('/api/session', { origin: 'https://evil.example' }), 403, 'CROSS_SITE');
	});

	test('reads are not refused by Origin, and give no CORS permission', async () => {
		const r = await c.get('/api/production', { origin: 'https://evil.example' });

		done(r);
		assert.ok(!('access-control-allow-origin' in r.headers));
		assert.ok(!('access-control-allow-credentials' in r.headers));
	});

	test('unknown paths: 404 NOT_FOUND as JSON', async () => {
		for (const path of ['/api/', '/api/nothing', '/api/production/x/y/z', '/api/productionx',
		    '/api/production/x/statu', '/api/session/x', '/api/production/x/', '/api/PRODUCTION',
		    '/api/production;x=1', '/api/production.json']) {
			const r = await c.get(path);
			refused(r, 404, 'NOT_FOUND');
		}
	});

	test('odd paths end in a 4xx and never in somebody else\'s page', async () => {
		for (const path of ['//api/production', '/api//production', '/api/./production',
		    '/api/production/..%2f..%2fetc%2fpasswd', '/api/production/%2F', '/api/production/%00',
		    '/api/production/a%00b', '/api/production/%zz', '/api/production/%', '/api/production/%ff%fe',
		    '/api/%70roduction/%', '/api/production?status=%zz', `/api/production/${'x'.repeat(3000)}`,
		    `/api/production?${'a=b&'.repeat(500)}`, '/api/production/%c0%ae%c0%ae', '/api/../api/nothing']) {
			const r = await c.get(path, { check: false });
			assert.ok([200, 301, 308, 400, 404, 414, 422].includes(r.status), `${path}: ${r.status}`);
			assert.ok(!/root:/.test(r.text));
		}
		for (const line of ['GET /api/production/\xff\xfe', 'GET /api/production?search=\x80',
		    'GET http://elsewhere.example/api/production', 'BREW /api/production', 'GET *',
		    'get /api/production', `${'A'.repeat(300)} /api/production`]) {
			const r = await ask(line);
			assert.ok(r.status >= 400 && r.status < 500, `${line.slice(0, 60)}: ${r.status}`);
		}
		done(await c.get('/api/session'));
	});

	test('%XX in a path is the same as the character', async () => {
		const p = await create(c, t);

		done(await c.get(`/api/%70roduction/${p.id}`));
		done(await c.get(`/api/production/${p.id.replace(/-/g, '%2D')}`));
	});

	test('405 with Allow when only the method is wrong', async () => {
		for (const [method, path, allowed] of [
			['PATCH', '/api/production', ['GET', 'POST', 'PUT']],
			['DELETE', '/api/production', ['GET', 'POST', 'PUT']],
			['POST', '/api/production/x', ['GET', 'PUT', 'PATCH', 'DELETE']],
			['GET', '/api/production/x/status', ['PUT', 'PATCH']],
			['POST', '/api/menu', ['GET']], ['POST', '/api/health', ['GET']],
			['PATCH', '/api/session', ['POST', 'GET', 'DELETE']],
		]) {
			const r = await c.request(method, path, { body: method === 'DELETE' ? undefined : {} });
			refused(r, 405, 'METHOD_NOT_ALLOWED');
			const allow = (r.headers.allow ?? '').split(/\s*,\s*/);
			for (const name of allowed)
				assert.ok(allow.includes(name), `${method} ${path}: Allow: ${r.headers.allow}`);
			assert.ok(!allow.includes(method));
		}
	});

	test('HEAD is GET without a body; OPTIONS says what is allowed or is refused', async () => {
		const r = await c.head('/api/production');
		assert.ok([200, 405].includes(r.status), String(r.status));
		assert.equal(r.raw.length, 0);
		const o = await c.request('OPTIONS', '/api/production', { check: false });
		assert.ok([200, 405].includes(o.status), String(o.status));
		assert.match(o.headers.allow ?? '', /GET/);
		assert.ok(!('access-control-allow-origin' in o.headers));
	});

	test('X-Request-Id: one per answer, never what a stranger wrote raw', async () => {
		const [a, b] = [await c.get('/api/health'), await c.get('/api/health')];
		assert.notEqual(a.headers['x-request-id'], b.headers['x-request-id']);
		for (const id of ['evil\tid', '"><script>', 'x'.repeat(500), 'a b']) {
			const r = await c.get('/api/nothing', { headers: { 'x-request-id': id } });
			refused(r, 404, 'NOT_FOUND');
			assert.notEqual(r.body.requestId, id);
		}
	});

	test('security headers on good and bad answers', async () => {
		for (const r of [await c.get('/api/production'), await c.get('/api/nothing'),
		    await new Client().get('/api/production'), await post('{')]) {
			assert.equal(r.headers['x-content-type-options'], 'nosniff');
			assert.match(r.headers['content-security-policy'] ?? '', /default-src 'none'/);
			assert.match((r.headers['x-frame-options'] ?? '') + (r.headers['content-security-policy'] ?? ''),
			    /DENY|frame-ancestors 'none'/);
			assert.match(r.headers['referrer-policy'] ?? '', /no-referrer|same-origin/);
			assert.ok(!/charset=(?!utf-8)/i.test(r.headers['content-type']));
		}
		assert.match((await c.get('/api/production')).headers['cache-control'], /private|no-store|no-cache/);
		assert.match((await c.get('/api/nothing')).headers['cache-control'], /no-store|no-cache/);
	});

	test('Accept: application/problem+json gets RFC 9457 with the same members', async () => {
		const headers = { accept: 'application/problem+json' };
		const r = await c.post('/api/production', { x: 1 }, { headers });

		assert.equal(r.status, 422);
		assert.match(r.headers['content-type'], /^application\/problem\+json/);
		assert.equal(r.body.status, 422);
		assert.equal(r.body.code, 'INVALID');
		assert.equal(typeof r.body.type, 'string');
		assert.equal(typeof r.body.title, 'string');
		assert.ok(r.body.errors.some((f) => f.path === 'x'));
		assert.equal(r.body.requestId, r.headers['x-request-id']);
		const good = await c.get('/api/production', { headers });
		assert.match(good.headers['content-type'], /^application\/json/);
		done(good);
	});

	test('a body on GET and a chunked body are no trouble', async () => {
		const r = await c.request('GET', '/api/menu', { raw: '{"x":1}' });
		assert.ok([200, 400, 422].includes(r.status), r.text);
		const body = JSON.stringify({ email: 'nobody@here.test', password: 'x' });
		const chunked = await ask('POST /api/session', [`Origin: ${origin}`,
		    'Content-Type: application/json', 'Transfer-Encoding: chunked'],
		    `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
		assert.ok([401, 411].includes(chunked.status), chunked.text);
	});

	test('header smuggling: the environment of a CGI is not a client\'s to set', async () => {
		for (const headers of [{ 'proxy': 'http://evil.example' }, { 'content-length': '0', 'x': 'y' },
		    { 'cookie': `a=${'b'.repeat(3000)}; ${c.cookie}` }, { 'x-forwarded-host': 'evil.example' },
		    { 'x-forwarded-proto': 'https' }, { 'x-http-method-override': 'DELETE' }])
			assert.equal((await c.get('/api/session', { headers })).status, 200,
			    JSON.stringify(headers).slice(0, 60));
	});
});
