/* SIGTERM to a worker of the actions at each moment of a request that it has taken: it is answered. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { owner } from '../lib/db.js';
import { env, origin } from '../lib/env.js';
import { begin, body, connect } from '../lib/fastcgi.js';
import { settings } from '../lib/settings.js';
import { atEnd, suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { until, within } from '../lib/wait.js';

suite('a request in hand', () => {
	const folder = mkdtempSync(join(tmpdir(), 'dapur-hand-'));
	let t, c, n = 0;

	before(async () => {
		atEnd(() => rmSync(folder, { recursive: true }));
		t = await makeTenant({ who: ['kepala'] });
		c = await t.login('kepala');
	});
	const launch = (conf = env.DAPUR_CONF) => {
		const socket = join(folder, `${++n}.sock`);
		const child = spawn('spawn-fcgi', ['-n', '-s', socket, '--',
		    join(env.DAPUR_BIN, 'cgi-bin/api.fcgi'), '-c', conf], { stdio: 'ignore' });
		const exited = new Promise((resolve) => { child.once('exit', (code) => resolve(code)); });

		atEnd(() => child.kill('SIGKILL'));
		return { socket, child, exited };
	};
	/* A single worker on a socket of its own that has answered; gives { socket, child, exited }. */
	const worker = async () => {
		const { socket, ...rest } = launch();
		const request = async (params) => {
			const r = await connect(socket);
			r.write(begin({ REQUEST_METHOD: 'GET', SCRIPT_NAME: '/api', HTTP_HOST: new URL(origin).host,
			    REMOTE_ADDR: '127.0.0.1', ...params }));
			r.write(body(''));
			return r.answer;
		};

		await until('an answer', async () => /^Status: 200/.test(await request({ REQUEST_URI: '/api/ready' })));
		return { socket, ...rest };
	};
	/* A connection that nobody has accepted yet has no inode. */
	const queued = (socket) => readFileSync('/proc/net/unix', 'utf8').split('\n').map((line) => line.split(/\s+/))
		.some((field) => field[7] === socket && field[6] === '0');
	const taken = async (w) => {
		const r = await connect(w.socket);
		await until('the worker to accept', () => !queued(w.socket));
		return r;
	};
	const params = (text) => ({ REQUEST_METHOD: 'POST', REQUEST_URI: '/api/production', SCRIPT_NAME: '/api',
	    CONTENT_TYPE: 'application/json', CONTENT_LENGTH: String(Buffer.byteLength(text)),
	    HTTP_HOST: new URL(origin).host, HTTP_ORIGIN: origin, HTTP_COOKIE: c.cookie, REMOTE_ADDR: '127.0.0.1' });

	test('accepted, nothing read yet', async () => {
		const w = await worker();
		const text = JSON.stringify(t.input());
		const r = await taken(w);

		w.child.kill('SIGTERM');
		r.write(begin(params(text)));
		r.write(body(text));
		r.write(body(''));
		assert.match(await within(15_000, 'answer', r.answer), /^Status: 201/);
		assert.equal(await within(15_000, 'exit', w.exited), 0);
	});

	test('the body still coming', async () => {
		const w = await worker();
		const text = JSON.stringify(t.input());
		const r = await taken(w);

		r.write(begin(params(text)));
		r.write(body(text.slice(0, 10)));
		w.child.kill('SIGTERM');
		await until('the signal', () => !readdirSync(`/proc/${w.child.pid}/fd`).includes('0'));
		/* asleep it waits for the body: a signal that comes then must not end the reading */
		await until('sleep', () => /\) S /.test(readFileSync(`/proc/${w.child.pid}/stat`, 'latin1')));
		w.child.kill('SIGUSR1');
		r.write(body(text.slice(10)));
		r.write(body(''));
		assert.match(await within(15_000, 'answer', r.answer), /^Status: 201/);
		assert.equal(await within(15_000, 'exit', w.exited), 0);
	});

	test('a new worker is connected before its first request, which has all of its time', async () => {
		const name = `warm-${t.mark}`;
		const [, database] = /^database = (.*)$/m.exec(readFileSync(env.DAPUR_CONF, 'utf8'));
		const w = launch(settings({ database: `${database} application_name=${name}` }));

		await until('its connection', async () => (await owner(
		    'SELECT 1 FROM pg_stat_activity WHERE application_name = $1', [name])).rows.length === 1);
		w.child.kill('SIGTERM');
		assert.equal(await within(15_000, 'exit', w.exited), 0);
	});

	test('idle: it ends at once, and takes nothing more', async () => {
		const w = await worker();

		w.child.kill('SIGTERM');
		assert.equal(await within(15_000, 'exit', w.exited), 0);
		await assert.rejects(connect(w.socket));
	});
});
