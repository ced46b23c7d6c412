/* `dapur doctor`: one line a part, an exit status for monitors. */
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { test } from 'node:test';
import { env } from '../../lib/env.js';
import { run } from '../../lib/proc.js';
import { settings } from '../../lib/settings.js';
import { suite } from '../../lib/suite.js';

suite('dapur doctor', () => {
	const doctor = async (conf) => {
		const r = await run('dapur', ['-c', conf, 'doctor']);
		const lines = r.stdout.trimEnd().split('\n');
		for (const line of lines)
			assert.match(line, /^(ok   |WARN |FAIL ) (settings|database|relay|schema|tenants|epoch|redis|web|websocket) +\S/);
		assert.ok(!/password=|PASSWORD/.test(r.stdout));
		return { code: r.code, text: r.stdout,
		    bad: lines.filter((line) => line.startsWith('FAIL')).map((line) => line.split(/\s+/)[1]) };
	};
	const owner = () => {
		const { hostname, port, username, password } = new URL(env.DATABASE_URL);
		return `host=${hostname} port=${port} dbname=dapur user=${username} password=${password}`;
	};

	test('a stack that is well', async () => {
		const r = await doctor(env.DAPUR_CONF);
		assert.equal(r.code, 0, r.text);
		for (const part of ['settings', 'database', 'schema', 'tenants', 'epoch', 'redis', 'relay', 'web', 'websocket'])
			assert.match(r.text, new RegExp(`^ok +${part} `, 'm'));
	});

	test('each part that is not', async () => {
		for (const [changes, part, says] of [
			[{ database: 'host=127.0.0.1 port=1 dbname=x' }, 'database', /does not let us in/],
			[{ database: owner() }, 'database tenants', /owns the tables/],
			[{ redis: '127.0.0.1:1' }, 'redis', /does not answer/],
			[{ redis_password: 'wrong' }, 'redis', /does not answer/],
			[{ relay_database: 'host=127.0.0.1 port=1 dbname=x' }, 'relay', /does not let us in/],
			[{ public_url: 'http://127.0.0.1:1' }, 'web', /answers 0/],
			[{ public_url: env.URL, base_path: '/nothing' }, 'web', /answers 404/],
		]) {
			const r = await doctor(settings(changes));
			assert.equal(r.code, 2, r.text);
			assert.deepEqual([...new Set(r.bad)], part.split(' '), r.text);
			assert.match(r.text, says);
		}
	});

	test('settings for everybody, settings that are wrong, no settings', async () => {
		const conf = settings({});
		chmodSync(conf, 0o644);
		assert.match((await doctor(conf)).text, /FAIL +settings +everybody/);
		assert.match((await doctor(settings({ nonsense: 1 }))).text, /FAIL +settings +.*nonsense/);
		assert.equal((await doctor('/nonexistent')).code, 2);
	});

	test('warnings: no Redis is none, no secret is one', async () => {
		const none = await doctor(settings({ redis: 'none' }));
		assert.equal(none.code, 0, none.text);
		assert.match(none.text, /ok +redis +none/);
		const bare = await doctor(settings({ secret: '' }));
		assert.equal(bare.code, 1, bare.text);
		assert.match(bare.text, /WARN +settings +secret/);
	});
});
