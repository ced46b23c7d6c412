/* PostgreSQL over TCP with TLS, as a host at another place has it: by libpq's sslmode and sslrootcert alone. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { streamAlone } from '../lib/alone.js';
import { cgi } from '../lib/cgi.js';
import { env } from '../lib/env.js';
import { authority, startTlsPostgres } from '../lib/postgres.js';
import { run } from '../lib/proc.js';
import { redis } from '../lib/redis.js';
import { settings } from '../lib/settings.js';
import { suite } from '../lib/suite.js';
import { within } from '../lib/wait.js';

suite('PostgreSQL over TLS', () => {
	const word = randomBytes(12).toString('hex');
	const id = `tls-${randomBytes(5).toString('hex')}`;
	const email = `kepala@${id}.test`, password = 'dapur-demo';
	let pg, conf, cookie;

	const withTls = (more) => settings({ database: pg.info('dapur_app', word, more),
	    relay_database: pg.info('dapur_relay', word, more), owner_database: pg.info('dapur_owner', word, more) });
	const works = async (program, ...args) => {
		const r = await run(program, ['-c', conf, ...args]);
		assert.equal(r.code, 0, `${program} ${args.join(' ')}: ${r.stdout}${r.stderr}`);
		return r.stdout;
	};
	/* A person's password is a line on standard input. */
	const addPerson = () => new Promise((resolve, reject) => {
		const child = execFile(join(env.DAPUR_BIN, 'dapur'), ['-c', conf, 'user', 'add', id, email, 'Siti', 'SPPG_KEPALA'],
		    (error) => (error ? reject(error) : resolve()));
		child.stdin.end(`${password}\n`);
	});

	before(async () => {
		pg = await startTlsPostgres(word);
		await pg.root.query(`CREATE ROLE dapur_owner LOGIN CREATEROLE PASSWORD '${word}'`);
		await pg.root.query('CREATE DATABASE dapur OWNER dapur_owner');
		conf = withTls();
	});

	test('dapur migrate, and the people', async () => {
		await works('dapur', 'migrate', `--dir=${fileURLToPath(new URL('../../sql/migrations', import.meta.url))}`);
		for (const role of ['dapur_app', 'dapur_relay'])
			await pg.root.query(`ALTER ROLE ${role} LOGIN PASSWORD '${word}'`);
		await works('dapur', 'tenant', 'add', id, 'Kitchen over TLS');
		await addPerson();
	});

	test('actions, a feed, and whatever else asks: by TLS since nothing else is let in', async () => {
		const login = await cgi('POST', '/api/session', { conf, body: JSON.stringify({ email, password }) });
		assert.equal(login.status, 201, login.text);
		cookie = login.headers['set-cookie'].split(';')[0];
		const list = await cgi('GET', '/api/production', { conf, HTTP_COOKIE: cookie });
		assert.equal(list.status, 200, list.text);
		const feed = streamAlone(null, { conf, cookie });
		assert.equal((await feed.next(() => true)).type, 'connected', feed.lines[0]);
		await feed.close();
	});

	test('dapur-relay --once', async () => {
		const owner = await pg.connect('dapur_owner', word);
		await owner.query(`INSERT INTO dapur.program (sppg_id, id, name) VALUES ($1, $2, 'Makan siang')`, [id, `p-${id}`]);
		await works('dapur-relay', '--once');
		const { rows: [head] } = await owner.query(`SELECT epoch || '.' || seq AS position
		    FROM dapur.tenant_head WHERE sppg_id = $1`, [id]);
		assert.equal(await (await redis()).get(`dapur:{${id}}:head`), head.position);
	});

	/* The web and websocket lines are of a stack that has another database. */
	const doctor = async (file) => {
		const { stdout } = await run('dapur', ['-c', file, 'doctor']);
		return (part) => stdout.split('\n').find((line) => line.split(/\s+/)[1] === part) ?? stdout;
	};

	test('doctor: all is well', async () => {
		const line = await doctor(conf);
		for (const part of ['database', 'relay', 'schema', 'tenants'])
			assert.match(line(part), /^ok /);
	});

	for (const [what, more, says] of [
		['another authority', () => `sslmode=verify-full sslrootcert=${authority(pg.folder, 'other').file}`,
		    /certificate verify failed/],
		['another name in the certificate', () => `sslmode=verify-full sslrootcert=${pg.ca.file} host=db.example`,
		    /certificate for "localhost".* does not match host name "db\.example"/],
		['no such file', () => 'sslmode=verify-full sslrootcert=/nonexistent.pem', /root certificate file "\/nonexistent\.pem"/],
		['no TLS at all', () => 'sslmode=disable', /no encryption/],
	])
		test(`${what}: 503 for clients, the reason for who runs it`, async () => {
			const wrong = withTls(more());
			const r = await cgi('GET', '/api/production', { conf: wrong, HTTP_COOKIE: cookie });

			assert.equal(r.status, 503, r.text);
			assert.equal(r.body.code, 'UNAVAILABLE');
			assert.match(r.headers['retry-after'], /^[1-9]\d*$/);
			assert.ok(!/certificate|ssl|tls/i.test(r.text), 'nothing of it for strangers');
			const line = await doctor(wrong);
			assert.match(line('database'), /^FAIL /);
			assert.match(line('database'), says);
			assert.match(line('database'), what.startsWith('no TLS') ? /sslmode/ : /sslrootcert/);
			const relay = await within(30_000, 'relay', run('dapur-relay', ['-c', wrong, '--once']));
			assert.notEqual(relay.code, 0);
			assert.match((relay.stdout + relay.stderr).replaceAll(String.raw`\"`, '"'), says);
		});
});
