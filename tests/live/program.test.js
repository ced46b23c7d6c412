/* dapur-stream alone, started as websocketd starts it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { before, test } from 'node:test';
import { createInterface } from 'node:readline';
import { env, origin } from '../lib/env.js';
import { position } from '../lib/expect.js';
import { create } from '../lib/production.js';
import { run, start } from '../lib/proc.js';
import { settings } from '../lib/settings.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { within } from '../lib/wait.js';

const program = 'ws/dapur-stream';

/* The environment of websocketd 0.4.1: no HTTP_HOST, nothing of the parent but PATH. */
function environment(changes = {})
{
	const { hostname, port } = new URL(env.URL);
	const all = {
		PATH: process.env.PATH, AUTH_TYPE: '', CONTENT_LENGTH: '', CONTENT_TYPE: '',
		GATEWAY_INTERFACE: 'websocketd-CGI/0.1', REQUEST_METHOD: 'GET',
		REQUEST_URI: '/api/ws', QUERY_STRING: '', PATH_INFO: '/api/ws',
		PATH_TRANSLATED: '/api/ws', SCRIPT_NAME: '/', REMOTE_ADDR: '127.0.0.1',
		REMOTE_HOST: '127.0.0.1', REMOTE_PORT: '1', REMOTE_IDENT: '', REMOTE_USER: '',
		SERVER_NAME: hostname, SERVER_PORT: port, SERVER_PROTOCOL: 'HTTP/1.1',
		SERVER_SOFTWARE: 'websocketd/DEVBUILD', UNIQUE_ID: '1', HTTP_ORIGIN: origin,
		...changes,
	};
	return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function stream(changes, conf = env.DAPUR_CONF)
{
	const child = start(program, ['-c', conf], environment(changes));
	const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

	child.stderr.resume();
	child.line = async () => (await within(15_000, 'line', lines.next())).value;
	return child;
}

suite('dapur-stream', () => {
	let t, c, cookie;

	before(async () => {
		t = await makeTenant({ who: ['kepala'] });
		c = await t.login('kepala');
		cookie = { HTTP_COOKIE: c.cookie };
	});

	test('connected, then events, one JSON object a line', async () => {
		const child = stream(cookie);

		assert.equal(JSON.parse(await child.line()).type, 'connected');
		const p = await create(c, t);
		assert.equal(JSON.parse(await child.line()).productionId, p.id);
	});

	test('heartbeats carry the tenant\'s head, as often as connected says', async () => {
		const child = stream(cookie, settings({ heartbeat_ms: 200 }));
		const hello = JSON.parse(await child.line());
		const beat = async () => {
			const frame = JSON.parse(await child.line());
			assert.equal(frame.type, 'heartbeat', JSON.stringify(frame));
			return frame;
		};

		assert.equal(hello.heartbeatMs, 200);
		assert.deepEqual(position((await beat()).position), position(hello.head));
		await beat();
		const r = await c.post('/api/production', t.input());
		let frame = JSON.parse(await child.line());
		while (frame.type === 'heartbeat')
			frame = JSON.parse(await child.line());
		assert.equal(frame.position, r.body.position);
		assert.equal((await beat()).position, r.body.position);
	});

	test('a line longer than feed_line_max does not grow the program', async () => {
		const child = stream(cookie, settings({ feed_line_max: 1024, heartbeat_ms: 200 }));

		await child.line();
		const memory = () => Number(/VmHWM:\s+(\d+)/.exec(
		    readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0);
		const before = memory();
		for (let n = 0; n < 256 && child.exitCode === null; n++)
			if (!child.stdin.write('x'.repeat(1 << 18)))
				await Promise.race([child.exited,
				    new Promise((resolve) => child.stdin.once('drain', resolve))]);
		child.stdin.write('\nPING\n');
		for (;;) {
			const line = await child.line();
			if (line === undefined || line === 'PONG' || JSON.parse(line).type === 'disconnect')
				break;
		}
		if (child.exitCode === null)
			assert.ok(memory() - before < 16 * 1024, `grew by ${memory() - before} KiB of 64 MiB`);
	});

	for (const [what, end] of [['end of input', (child) => child.stdin.end()],
	    ['SIGTERM', (child) => child.kill('SIGTERM')], ['SIGINT', (child) => child.kill('SIGINT')]])
		test(`${what} ends it at once`, async () => {
			const child = stream(cookie);

			await child.line();
			end(child);
			const { code, signal } = await within(5_000, 'exit', child.exited);
			assert.ok(code === 0 || ['SIGTERM', 'SIGINT'].includes(signal), `${code} ${signal}`);
		});

	test('end of input before it is connected ends it too', async () => {
		const child = stream(cookie);

		child.stdin.end();
		await within(5_000, 'exit', child.exited);
	});

	test('a reader that went away ends it', async () => {
		const child = stream(cookie);

		await child.line();
		child.stdout.destroy();
		child.stdin.write('PING\n');
		for (let n = 0; n < 3; n++)
			await create(c, t);
		await within(15_000, 'exit', child.exited);
	});

	test('refusals are one disconnect line and a prompt end', async () => {
		for (const changes of [{}, { ...cookie, HTTP_ORIGIN: undefined },
		    { ...cookie, HTTP_ORIGIN: 'https://evil.example' }, { HTTP_COOKIE: 'dapur_session=x' }]) {
			const child = stream(changes);
			const frame = JSON.parse(await child.line());

			assert.equal(frame.type, 'disconnect');
			assert.equal(typeof frame.message, 'string');
			await within(5_000, 'exit', child.exited);
			assert.equal(await child.line(), undefined, 'nothing after it');
		}
	});

	test('a reader that does not read: bounded, and it still ends at end of input', async () => {
		const child = start(program, ['-c', env.DAPUR_CONF], environment(cookie));

		for (let n = 0; n < 20; n++)
			child.stdin.write('PING\n'.repeat(20_000));
		child.stdin.end();
		await within(15_000, 'exit', child.exited);
	});

	test('odd environments end in a line and an exit, not a crash', async () => {
		for (const changes of [
			{ ...cookie, QUERY_STRING: undefined }, { ...cookie, SERVER_NAME: undefined },
			{ ...cookie, QUERY_STRING: '%'.repeat(5000) }, { HTTP_COOKIE: '='.repeat(20_000) },
			{ ...cookie, PATH_INFO: '/../../etc' }, { HTTP_COOKIE: undefined, HTTP_ORIGIN: undefined },
			{ HTTP_AUTHORIZATION: `Bearer ${'x'.repeat(20_000)}` }, { ...cookie, SERVER_PORT: 'x' },
		]) {
			const child = stream(changes);
			const line = await child.line();
			assert.ok(['connected', 'disconnect', 'reset'].includes(JSON.parse(line).type), line);
			child.stdin.end();
			const { signal } = await within(5_000, 'exit', child.exited);
			assert.equal(signal, null);
		}
	});

	test('-h, -V, bad usage and a missing settings file', async () => {
		for (const [args, code] of [[['-V'], 0], [['-h'], 0], [['--nonsense'], 100],
		    [['-c', '/nonexistent/dapur.conf'], 111]]) {
			const r = await run(program, args, { env: { PATH: process.env.PATH } });
			assert.equal(r.code, code, `${args}: ${r.stdout}${r.stderr}`);
		}
	});
});
