/* The dapur program: migrations are run once and never edited; its statements fit; who is who. */
import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { Client } from '../lib/client.js';
import { connect, owner } from '../lib/db.js';
import { env } from '../lib/env.js';
import { done, refused } from '../lib/expect.js';
import { run } from '../lib/proc.js';
import { atEnd, suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

const shipped = join(dirname(fileURLToPath(import.meta.url)), '../../sql/migrations');
const dapur = (...args) => run('dapur', ['-c', env.DAPUR_CONF, ...args]);
const works = async (...args) => {
	const r = await dapur(...args);
	assert.equal(r.code, 0, `dapur ${args.join(' ')}: ${r.stderr}`);
	return r.stdout;
};

function copy()
{
	const dir = mkdtempSync(join(tmpdir(), 'dapur-migrations-'));

	cpSync(shipped, dir, { recursive: true });
	atEnd(() => rmSync(dir, { recursive: true }));
	return { dir, names: readdirSync(dir).filter((name) => name.endsWith('.sql')).sort() };
}

const applied = async () => (await owner(
    'SELECT name, hash, applied_at FROM dapur_meta.migration ORDER BY name')).rows;

suite('dapur', () => {
	test('migrate again does nothing', async () => {
		const before = await applied();
		const { names } = copy();

		assert.equal(before.length, names.length);
		assert.equal(await works('migrate', `--dir=${shipped}`), '');
		assert.deepEqual(await applied(), before);
	});

	test('an edited migration is refused by name', async () => {
		const { dir, names } = copy();
		const before = await applied();

		appendFileSync(join(dir, names[0]), '\n-- a word more\n');
		const r = await dapur('migrate', `--dir=${dir}`);
		assert.notEqual(r.code, 0);
		assert.ok(r.stderr.includes(names[0]), r.stderr);
		assert.deepEqual(await applied(), before);
	});

	test('a migration that fails half way leaves nothing', async () => {
		const { dir } = copy();
		const before = await applied();

		writeFileSync(join(dir, '9999_broken.sql'),
		    'create table dapur.half_way (x int);\nselect 1 / 0;\n');
		const r = await dapur('migrate', `--dir=${dir}`);
		assert.notEqual(r.code, 0);
		assert.ok(r.stderr.includes('9999_broken.sql'), r.stderr);
		assert.deepEqual(await applied(), before);
		const { rows } = await owner("SELECT to_regclass('dapur.half_way') AS t");
		assert.equal(rows[0].t, null);
	});

	test('two at once do not disturb each other', async () => {
		const before = await applied();
		const all = await Promise.all(Array.from({ length: 4 },
		    () => dapur('migrate', `--dir=${shipped}`)));

		for (const r of all)
			assert.equal(r.code, 0, r.stderr);
		assert.deepEqual(await applied(), before);
	});

	test('a folder without migrations is an error, not success', async () => {
		const dir = mkdtempSync(join(tmpdir(), 'dapur-migrations-'));

		atEnd(() => rmSync(dir, { recursive: true }));
		assert.notEqual((await dapur('migrate', `--dir=${dir}`)).code, 0);
		assert.notEqual((await dapur('migrate', '--dir=/nonexistent')).code, 0);
	});

	test('every statement of the programs fits the schema', async () => {
		await works('check-queries');
	});

	test('settings prints each setting; secrets are not among the words', async () => {
		const text = await works('settings');

		for (const name of ['database', 'redis', 'public_url', 'heartbeat_ms', 'body_max'])
			assert.match(text, new RegExp(`^${name}\\b`, 'm'));
		const app = new URL(env.APP_DATABASE_URL);
		assert.ok(!text.includes(app.password));
	});

	test('usage: 0 for help, 100 for nonsense', async () => {
		assert.equal((await dapur('-h')).code, 0);
		for (const args of [[], ['nonsense'], ['tenant'], ['user', 'add'], ['routes', 'x'], ['--nonsense']])
			assert.equal((await dapur(...args)).code, 100, args.join(' '));
	});

	test('every program: its version, its usage, and 100 for what it does not know', async () => {
		for (const program of ['dapur', 'dapur-relay', 'cgi-bin/api.fcgi', 'cgi-bin/events.fcgi', 'ws/dapur-stream']) {
			const name = program.replace(/.*\//, '');
			const usage = new RegExp(`^usage: ${name} \\[-c `);
			const [version, help, wrong] = await Promise.all(
			    ['-V', '-h', '-x'].map((option) => run(program, [option])));

			assert.equal(version.code, 0, name);
			assert.match(version.stdout, new RegExp(`^${name} [0-9.]+\n$`));
			assert.equal(help.code, 0, name);
			assert.match(help.stdout, usage);
			assert.equal(wrong.code, 100, name);
			assert.match(wrong.stderr, new RegExp(usage, 'm')); /* behind getopt's own line */
			assert.equal(wrong.stdout, '', name);
		}
	});

	test('bad settings: a supervised program says why and exits 100', async () => {
		const dir = mkdtempSync(join(tmpdir(), 'dapur-conf-'));
		const file = join(dir, 'dapur.conf');

		atEnd(() => rmSync(dir, { recursive: true }));
		writeFileSync(file, 'databse = x\n');
		for (const program of ['dapur-relay', 'cgi-bin/api.fcgi', 'cgi-bin/events.fcgi']) {
			const r = await run(program, ['-c', file]);

			assert.equal(r.code, 100, program);
			assert.match(r.stderr, /level=error prog=\w+ event=settings detail=.*databse/);
		}
	});

	test('an unknown key or a bad value in the settings: refuses to start', async () => {
		const dir = mkdtempSync(join(tmpdir(), 'dapur-conf-'));
		const file = join(dir, 'dapur.conf');

		atEnd(() => rmSync(dir, { recursive: true }));
		for (const line of ['databse = x', 'body_max = many', 'body_max = 1', 'heartbeat_ms = -5',
		    'public_url = nonsense', 'no equals sign', '= x']) {
			cpSync(env.DAPUR_CONF, file);
			appendFileSync(file, `\n${line}\n`);
			const r = await run('dapur', ['-c', file, 'check-queries']);
			assert.notEqual(r.code, 0, line);
			assert.ok(!r.stderr.includes(new URL(env.APP_DATABASE_URL).password), line);
		}
	});

	test('user disable, enable, role; tenant suspend, resume; session end', async () => {
		const t = await makeTenant({ who: ['kepala', 'dapur'] });
		const { email } = t.people.dapur;
		const fresh = async () => {
			const c = new Client();
			await c.login(email);
			return c;
		};
		let c = await fresh();

		await works('user', 'role', email, 'SPPG_VIEWER');
		refused(await c.post('/api/production', t.input()), 403, 'FORBIDDEN');
		await works('user', 'disable', email);
		refused(await c.get('/api/session'), 401, 'UNAUTHORIZED');
		await works('user', 'enable', email);
		c = await fresh();
		await works('session', 'end', email);
		refused(await c.get('/api/session'), 401, 'UNAUTHORIZED');
		c = await fresh();
		await works('tenant', 'suspend', t.id);
		refused(await c.get('/api/session'), 401, 'UNAUTHORIZED');
		await works('tenant', 'resume', t.id);
		done(await (await fresh()).get('/api/session'));
	});

	test('a kitchen has a time zone that PostgreSQL knows', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const set = (zone) => owner('UPDATE dapur.tenant SET timezone = $2 WHERE id = $1', [t.id, zone]);

		for (const zone of ['Asia/Jakart', '', 'WIB jam'])
			await assert.rejects(set(zone), /time zone/);
		await set('Asia/Jayapura');
	});

	test('the relay\'s role reads the log of all, notes which revocations it told, and nothing else', async () => {
		if (!process.env.RELAY_DATABASE_URL)
			return;
		const relay = await connect(process.env.RELAY_DATABASE_URL);

		await relay.query('SELECT count(*) FROM dapur.event');
		for (const table of ['person', 'session', 'production', 'menu'])
			await assert.rejects(relay.query(`SELECT * FROM dapur.${table} LIMIT 1`),
			    /permission denied/, table);
		await assert.rejects(relay.query("UPDATE dapur.event SET line = '{}'"), /permission denied/);
		await relay.query('SELECT count(*) FROM dapur.session_stale');
		await relay.query('UPDATE dapur.session_stale SET told_at = now() WHERE n < 0');
		for (const statement of ['UPDATE dapur.session_stale SET sppg_id = sppg_id', 'DELETE FROM dapur.session_stale',
		    "INSERT INTO dapur.session_stale (sppg_id, token_hash) VALUES ('x', 'y')"])
			await assert.rejects(relay.query(statement), /permission denied/, statement);
		const app = await connect();
		await assert.rejects(app.query('SELECT * FROM dapur.session_stale'), /permission denied/);
	});
});
