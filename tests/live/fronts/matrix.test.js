/*
 * Every web server that Dapur may stand behind, and everything that could differ between them. What a front
 * cannot do is written in its row, and tested as documented in dapur-hosting(7).
 */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { Client } from '../../lib/client.js';
import { owner } from '../../lib/db.js';
import { done, position, refused, written } from '../../lib/expect.js';
import { headOf, logOf } from '../../lib/log.js';
import { pidOf } from '../../lib/proc.js';
import { alive, children } from '../../lib/services.js';
import { dial } from '../../lib/stream.js';
import { suite } from '../../lib/suite.js';
import { makeTenant } from '../../lib/tenant.js';
import { until, within } from '../../lib/wait.js';
import { startFront } from './front.js';
import { Events, ask } from './http.js';

/*
 * pool: the workers are a service of their own, else children of the web server
 * asks: the web server asks the actions before an upgrade, else it looks at the shape of cookie and Origin
 * noOrigin: it leaves Origin to the stream; refusal: its status of one without a session
 * early413: by the announced length, before the body
 * reload: the signal for a restart; loses: it may cost the requests in hand (mod_fcgid ends its
 *     workers; a request of mod_cgid may find its daemon gone)
 * alone: websocketd, which has none of that: it serves files and exact programs, and every upgrade is a process
 */
const fronts = {
	nginx: { pool: true, asks: true, early413: true, reload: 'SIGHUP' },
	apache: { pool: true, asks: false, reload: 'SIGUSR1' },
	fcgid: { pool: false, asks: false, reload: 'SIGUSR1', loses: true },
	cgi: { pool: false, asks: false, reload: 'SIGUSR1', loses: true },
	lighttpd: { pool: true, asks: false, noOrigin: true, refusal: 403, early413: true, reload: 'SIGUSR1' },
	websocketd: { alone: true, noOrigin: true },
};
const CAP = 1_048_576;	/* body_max */

/* A program of websocketd has one path, no path below it: the others are asked of api.cgi, as the demo's pages do. */
const WORD = /^\/api\/(session|production|program|menu|staff|events|ws|health|ready|metrics|openapi\.json)(\?|$)/;
const aside = (path) => (WORD.test(path) || !path.startsWith('/api/')
    ? path : `/api.cgi?${path.slice(4).replace('?', '&')}`);
class Aside extends Client {
	request(method, path, options) { return super.request(method, aside(path), options); }
}

function rows(name, row)
{
	const Visitor = row.alone ? Aside : Client;
	let front, t, c;

	const login = async (who = 'kepala') => {
		const client = new Visitor({ url: front.url });
		await client.login(t.people[who].email);
		return client;
	};
	const create = async (more) => written(await c.post('/api/production', t.input(more)), 201);
	const json = (text) => {
		const body = JSON.parse(text);
		assert.equal(body.success, false, text);
		assert.equal(typeof body.error, 'string');
		assert.match(body.code, /^[A-Z_]+$/);
		return body;
	};

	before(async () => {
		[front, t] = await Promise.all([startFront(name), makeTenant({ who: ['kepala', 'viewer'] })]);
		c = await login();
	});

	test('log in, who am I, log out', async () => {
		const mine = await login('viewer');
		const [cookie] = (await mine.post('/api/session',
		    { email: t.people.viewer.email, password: 'dapur-demo' })).setCookie;

		assert.equal(cookie.name, 'dapur_session');
		assert.ok('httponly' in cookie.attributes);
		assert.equal(done(await mine.get('/api/session')).user.role, 'SPPG_VIEWER');
		done(await mine.delete('/api/session'));
		refused(await mine.get('/api/session'), 401, 'UNAUTHORIZED');
	});

	test('write, read, list, 304, HEAD, OPTIONS', async () => {
		const p = await create();
		const one = await c.get(`/api/production/${p.id}`);
		const list = await c.get('/api/production?limit=5&status=PLANNED,PREPARING');

		assert.equal(done(one).id, p.id);
		assert.ok(done(list).some((q) => q.id === p.id));
		assert.ok(list.headers['x-stream-position']);
		done(await c.get('/api/production/stats?from=2026-11-01&to=2026-11-30'));
		const same = await c.get(`/api/production/${p.id}`, { headers: { 'If-None-Match': one.headers.etag } });
		assert.equal(same.status, 304);
		assert.equal(same.raw.length, 0);
		const changed = await c.patch(`/api/production/${p.id}`, { notes: 'é ✓' },
		    { headers: { 'If-Match': one.headers.etag } });
		assert.equal(written(changed).notes, 'é ✓');
		refused(await c.patch(`/api/production/${p.id}`, { notes: 'x' },
		    { headers: { 'If-Match': one.headers.etag } }), 412, 'PRECONDITION_FAILED');
		const head = await c.head(`/api/production/${p.id}`);
		assert.equal(head.status, 200);
		assert.equal(head.raw.length, 0);
		const options = await c.request('OPTIONS', '/api/production');
		assert.match(options.headers.allow, /GET.*POST|POST.*GET/);
		written(await c.delete(`/api/production/${p.id}`));
	});

	test('error shapes', async () => {
		refused(await new Visitor({ url: front.url }).get('/api/production'), 401, 'UNAUTHORIZED');
		refused(await c.get('/api/nothing'), 404, 'NOT_FOUND');
		refused(await c.post('/api/production', { menuId: 7 }), 422, 'INVALID');
		refused(await c.post('/api/production', t.input(), { origin: 'https://evil.example' }), 403, 'CROSS_SITE');
		const wrong = await c.delete('/api/production');
		refused(wrong, 405, 'METHOD_NOT_ALLOWED');
		assert.match(wrong.headers.allow, /POST/);
		const problem = await c.get('/api/nothing', { headers: { accept: 'application/problem+json' } });
		assert.match(problem.headers['content-type'], /^application\/problem\+json/);
		refused(await c.request('POST', '/api/production', { raw: '{"a":', type: 'application/json' }),
		    400, 'BAD_JSON');
	});

	test('Authorization arrives', async () => {
		const bearer = new Visitor({ url: front.url });
		const r = await bearer.get('/api/session', { headers: { authorization: `Bearer ${c.token}` } });
		assert.equal(done(r).user.id, t.people.kepala.id);
	});

	test('the body: up to the cap, one byte over, far over', async () => {
		const filled = (n) => {
			const text = JSON.stringify(t.input({ notes: '' }));
			return text.slice(0, -1) + ' '.repeat(n - text.length) + '}';
		};
		written(await c.request('POST', '/api/production', { raw: filled(CAP) }), 201);
		refused(await c.request('POST', '/api/production', { raw: filled(CAP + 1) }), 413, 'TOO_LARGE');
		/* the web server's own where it looks first; then nobody sends eight megabytes */
		const far = await ask(front, 'POST /api/production',
		    [`Cookie: ${c.cookie}`, 'Content-Type: application/json', `Content-Length: ${8 * CAP}`],
		    row.early413 ? '{' : ' '.repeat(8 * CAP));
		assert.equal(far.status, 413, far.head);
		assert.equal(json(far.text).code, 'TOO_LARGE');
		assert.match(far.head, /content-type: application\/json/i);
	});

	test('a chunked body', async () => {
		const text = JSON.stringify(t.input({ notes: 'in pieces' }));
		const chunk = (s) => `${Buffer.byteLength(s).toString(16)}\r\n${s}\r\n`;
		const r = await ask(front, 'POST /api/production', [`Cookie: ${c.cookie}`,
		    `Origin: ${front.url}`, 'Content-Type: application/json', 'Transfer-Encoding: chunked'],
		    chunk(text.slice(0, 10)) + chunk(text.slice(10)) + '0\r\n\r\n');

		if (row.alone) {
			assert.equal(r.status, 400, r.text);
			return;
		}
		assert.equal(r.status, 201, r.text);
		assert.match(r.text, /in pieces/);
	});

	test('odd paths are JSON errors, never a page, a 500 or a file', async () => {
		const auth = [`Cookie: ${c.cookie}`];
		const p = await create();

		for (const path of ['/api/', '/api//production', '/api/production/', '/api/production//',
		    '/api/production/%2F', '/api/production/a%2Fb', '/api/production/%2e%2e', '/api/production/%00',
		    '/api/production/%zz', '/api/production/%', '/api/production/%ff', `/api/production/${'x'.repeat(3000)}`,
		    '/api/production/a/b/c/d/e/f/g/h/i/j', '/api/./production', '/api/production/../production/x',
		    '/api/%70roduction/nothing', '/api/production/a;b', '/api/production/a+b', '/api/production/..;/x']) {
			if (row.alone) {	/* its own words; 500 for a NUL */
				const own = await ask(front, `GET ${path}`, auth);
				assert.ok([301, 400, 404].includes(own.status) || path.endsWith('%00'), `${path}: ${own.status} ${own.text}`);
			}
			const r = await ask(front, `GET ${row.alone ? aside(path) : path}`, auth);
			assert.ok(r.status >= 400 && r.status < 500, `${path}: ${r.status} ${r.text.slice(0, 200)}`);
			if (/%(00|zz|$)/.test(path) && !/application\/json/.test(r.head))
				continue;	/* no path at all: refused before it was one of ours */
			assert.match(r.head, /content-type: application\/json/i, `${path}: ${r.head}`);
			json(r.text);
		}
		for (const path of [`/api/production/${p.id}?x=%2F`, `/api/production/${encodeURIComponent(p.id)}`]) {
			const r = await ask(front, `GET ${row.alone ? aside(path) : path}`, auth);
			assert.ok([200, 422].includes(r.status), `${path}: ${r.status}`);
		}
	});

	test('the client\'s address: the last hop alone says it', async () => {
		const liar = new Visitor({ url: front.url });
		const spoofed = { 'X-Forwarded-For': '6.6.6.6', X_Forwarded_For: '6.6.6.7', 'X-Real-IP': '6.6.6.8',
		    Forwarded: 'for=6.6.6.9' };
		await liar.post('/api/session', { email: t.people.viewer.email, password: 'dapur-demo' }, { headers: spoofed });
		const { rows: [{ address }] } = await owner(`SELECT address FROM dapur.session
		    WHERE sppg_id = $1 ORDER BY created_at DESC LIMIT 1`, [t.id]);
		assert.equal(address, liar.address);
	});

	if (row.alone)
		test('SSE: held back, and then in blocks; what a client takes instead has it at once', async () => {
			const [s, ws] = [new Events(front, c), dial(c, { url: front.wsUrl, origin: front.url, address: c.address })];
			await ws.next('connected');
			const p = await create();
			await ws.next((f) => f.productionId === p.id);
			assert.ok(!s.events.some((e) => e.productionId === p.id));
			await until('a block', async () => {
				await create({ notes: 'long '.repeat(200) });
				return s.events.length > 0;
			});
			assert.equal(s.events[0].productionId, p.id);
			await Promise.all([s.close(), ws.close()]);
		});
	else test('SSE: line by line', async () => {
		const s = new Events(front, c);
		const connected = await s.next('connected');

		assert.equal(s.status, 200);
		assert.match(s.headers['content-type'], /^text\/event-stream/);
		const p = await create();
		const event = await s.next((f) => f.productionId === p.id);
		assert.equal(event.type, 'production_created');
		await s.close();
		const again = new Events(front, c, `?after=${connected.position}`);
		await again.next((f) => f.productionId === p.id);
		await again.close();
	});

	test('a page and a long poll', async () => {
		const page = await c.get('/api/events?limit=5');
		done(page);
		const [polled, p] = await Promise.all([
			c.get(`/api/events?wait=20&after=${page.body.head}`), create()]);
		assert.ok(done(polled).some((e) => e.productionId === p.id));
		refused(await new Visitor({ url: front.url }).get('/api/events?limit=1'), 401, 'UNAUTHORIZED');
	});

	test('a client that leaves frees what it held', async () => {
		const mine = () => {
			if (row.pool) {
				const fds = (pid) => readdirSync(`/proc/${pid}/fd`).filter((fd) => {
					try {
						return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:');
					} catch {
						return false;
					}
				}).length;
				return tree(pidOf('events')).reduce((n, { pid }) => n + fds(pid), 0);
			}
			return tree(front.pid).filter((p) => p.command.includes('events.fcgi')
			    && (name !== 'fcgid' || reading(p.pid))).length;
		};
		const s = [1, 2, 3].map(() => new Events(front, c));
		if (row.alone)
			await until('their programs', () => mine() >= s.length);
		else
			await Promise.all(s.map((one) => one.next('connected')));
		const held = mine();
		await Promise.all(s.map((one) => one.close()));
		/* Apache and lighttpd see it when they fail to write: at the next events, else at a heartbeat */
		await until('release', async () => {
			await create();
			return mine() <= held - 3;
		});
	});

	test('WebSocket through the web server', async () => {
		const s = dial(c, { url: front.wsUrl, origin: front.url, address: c.address });
		const first = await s.next(() => true);
		assert.equal(first.type, 'connected', JSON.stringify(first));
		const p = await create();
		await s.next((f) => f.productionId === p.id);
		s.send({ type: 'ping' });
		await s.next('pong');
		await s.close();
		const { token } = done(await c.get('/api/ws'));
		const once = dial(null, { url: front.wsUrl, origin: null, token });
		await once.next('connected');
		await once.close();
		const bearer = dial(null, { url: front.wsUrl, origin: null,
		    headers: { Authorization: `Bearer ${c.token}` } });
		await bearer.next('connected');
		await bearer.close();
	});

	test('WebSocket: refused before a process is made for it', async () => {
		const turned = async (who, options, status) => {
			const s = dial(who, { url: front.wsUrl, ...options });
			await within(15_000, 'refusal', s.closed);
			if (status === 403 && row.noOrigin)
				assert.ok([undefined, 403].includes(s.status), s.lines.join());
			else if (row.alone)
				assert.equal(s.status, undefined, 'it was opened, and said why it ends');
			else
				assert.equal(s.status, status === 401 ? row.refusal ?? 401 : status, s.lines.join());
			assert.equal(s.frames[0].code ?? 'CROSS_SITE', status === 401 ? 'UNAUTHORIZED' : 'CROSS_SITE');
		};
		const own = { origin: front.url };
		await turned(null, own, 401);
		await turned(null, { ...own, cookie: 'dapur_session=short' }, 401);
		await turned(null, { ...own, token: 'x' }, 401);
		await turned(c, { origin: 'https://evil.example' }, 403);
		await turned(c, { origin: `${front.url}.evil.example` }, 403);
		await turned(c, { origin: null }, 403);
		if (row.asks) {
			await turned(null, { ...own, cookie: `dapur_session=${'Q'.repeat(43)}` }, 401);
			await turned(null, { ...own, token: 'Q'.repeat(128) }, 401);
		}
		const other = dial(c, { url: front.wsUrl.replace('/ws', '/production'), ...own });
		if (row.alone) {	/* there every path is the stream */
			await other.next('connected');
			await other.close();
		} else {
			await within(15_000, 'refusal', other.closed);
			assert.ok(other.status >= 200, 'it was answered as what it is: no stream');
		}
	});

	test('the pages', async () => {
		const r = await c.get('/', { check: false });
		assert.equal(r.status, 200);
		assert.match(r.headers['content-type'], /^text\/html/);
		if (row.alone) {
			assert.match(r.text, /websocketd\.js/);
			assert.equal((await c.get('/websocketd.js', { check: false })).status, 200);
		} else {
			assert.match(r.headers['content-security-policy'], /default-src 'self'/);
		}
		const script = await c.get('/app.js', { check: false });
		assert.match(script.headers['content-type'], /javascript/);
		for (const path of ['/..%2fdev', '/.git/config', '/%2e%2e/dev', '/dapur.conf'])
			assert.ok([400, 403, 404, row.alone && 301].includes((await ask(front, `GET ${path}`)).status), path);
	});

	if (row.alone)
		test('a restart costs the requests in hand; asked again with their key they are done once', async () => {
			const { position: from } = await headOf(t);
			const { port } = new URL(front.url);
			const feed = dial(c, { url: front.wsUrl, origin: front.url, address: c.address });
			await feed.next('connected');
			let running = true;
			const made = [];
			const one = async (client, hand) => {
				client.agent = new client.transport.Agent({ keepAlive: false });
				for (let n = 0; running; n++) {
					const input = t.input();
					const headers = { 'Idempotency-Key': `restart-${t.mark}-${hand}-${n}` };
					await until('an answer', async () => {
						const r = await client.post('/api/production', input, { headers, check: false });
						if (r.status === 201)
							made.push(r.body.data.id);
						return r.status === 201;
					}, 30_000);
				}
			};
			const load = Promise.all([await login(), await login(), c].map(one));
			const pace = (n) => until('load', () => made.length >= n, 30_000);
			await pace(3);
			await front.end();
			await within(15_000, 'end of the stream', feed.closed);
			front = await startFront(name, `--port=${port}`);
			await pace(made.length + 4);
			running = false;
			await load;
			const rest = dial(c, { url: front.wsUrl, origin: front.url, address: c.address, query: `after=${feed.at}` });
			await rest.next((f) => f.productionId === made.at(-1));
			const log = (await logOf(t, position(from).seq)).map((line) => line.event.productionId);
			assert.deepEqual([...feed.events, ...rest.events].map((e) => e.productionId), log);
			assert.deepEqual([...made].sort(), log.sort());
			await rest.close();
		});
	else test('a restart under load fails no request and loses no event', async () => {
		const feed = new Events(front, c);
		await feed.next('connected');
		let running = true;
		const made = [], failed = [];
		const one = async (client) => {
			for (let n = 0; running; n++) {
				const r = n % 2 ? await client.get('/api/production?limit=1')
				    : await client.post('/api/production', t.input());
				if (r.status >= 500)
					failed.push(`${r.status} ${r.text}`);
				if (r.status === 201)
					made.push(r.body.data.id);
			}
		};
		const load = [await login(), await login(), c].map((client) => {
			client.agent = new client.transport.Agent({ keepAlive: false });
			return one(client).catch((error) => failed.push(error.message));
		});
		const pace = (n) => until('load', () => made.length >= n || (failed.length > 0 && !row.loses), 30_000);
		await pace(2);
		if (row.pool) {
			for (const { pid } of children(pidOf('api'))) {
				try {
					process.kill(pid, 'SIGTERM');
				} catch {
					continue;	/* another front's test was quicker */
				}
				await until('end of a worker', () => !alive(pid));
				await pace(made.length + 1);
			}
		}
		process.kill(front.pid, row.reload);
		await pace(made.length + 4);
		running = false;
		await Promise.all(load);
		if (row.loses)
			assert.ok(failed.length <= load.length && failed.every((text) => text.includes('"code"')), failed.join());
		else
			assert.deepEqual(failed, []);
		const after = [...feed.events].pop();
		const rest = feed.ended ? new Events(front, c, `?after=${feed.at}`) : feed;
		await rest.next((f) => f.productionId === made.at(-1) || feed.events.some((e) => e.productionId === made.at(-1)));
		const got = new Set([...feed.events, ...rest.events].map((e) => e.productionId));
		assert.deepEqual(made.filter((id) => !got.has(id)), [], `after ${after?.position}`);
		await rest.close();
	});

	test('behind TLS: a __Host- cookie, a wss stream', async () => {
		const tls = await startFront(name, '--tls');
		const safe = new Visitor({ url: tls.url });
		await safe.login(t.people.kepala.email);

		assert.deepEqual([...safe.jar.keys()], ['__Host-dapur_session']);
		const r = await safe.post('/api/production', t.input());
		written(r, 201);
		assert.match(r.headers['strict-transport-security'], /max-age/);
		assert.match(done(await safe.get('/api/ws')).wsUrl, /^wss:/);
		const s = dial(safe, { url: tls.wsUrl, origin: tls.url });
		assert.equal((await s.next(() => true)).type, 'connected', s.lines[0]);
		await s.close();
		await tls.end();
	});
}

/* A process and all below it: [{ pid, command }]. */
function tree(pid)
{
	return [{ pid, command: '' }, ...children(pid).flatMap((child) => [
		{ ...child }, ...tree(child.pid).slice(1)])];
}

/* An idle worker of mod_fcgid waits in accept on descriptor 0; a busy one holds a connection beside. */
function reading(pid)
{
	try {
		return readdirSync(`/proc/${pid}/fd`).filter((fd) => fd > 2
		    && readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:')).length > 2;
	} catch {
		return false;
	}
}

suite('every web server', { concurrency: Object.keys(fronts).length }, () => {
	for (const [name, row] of Object.entries(fronts))
		if (!process.env.FRONTS || process.env.FRONTS.split(',').includes(name))
			describe(name, { concurrency: 1 }, () => rows(name, row));
});
