/* What runs as the schema's owner is not led astray by names that its caller has planted. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { connect, owner } from '../lib/db.js';
import { at, create } from '../lib/production.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

const queries = new URL('../../sql/queries/', import.meta.url);

/** The statement of that name, as the actions send it. */
function named(name)
{
	for (const file of readdirSync(queries))
		for (const block of readFileSync(new URL(file, queries), 'utf8').split(/^-- name: /m).slice(1))
			if (block.startsWith(`${name}\n`))
				return block.slice(name.length).replace(/^--.*$/gm, '');
	throw new Error(`no statement ${name}`);
}

suite('functions of the owner', () => {
	test('each has a search_path of its own', async () => {
		const { rows: bare } = await owner(`SELECT proname FROM pg_proc
		    WHERE pronamespace = 'dapur'::regnamespace AND prosecdef AND proconfig IS NULL`);

		assert.deepEqual(bare, []);
	});

	test('nobody else may call them', async () => {
		const { rows: open } = await owner(`SELECT proname FROM pg_proc
		    WHERE pronamespace = 'dapur'::regnamespace AND has_function_privilege('public', oid, 'execute')`);

		assert.deepEqual(open, []);
	});

	test('the application\'s role cannot make the schema\'s owner run its own code', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const p = await create(c, t);
		const cooking = await at(c, t, 'COOKING');
		const hash = createHash('sha256').update(c.token).digest('hex');
		const planted = `planted_${t.id.replace(/\W/g, '_')}`;
		const app = await connect();

		/* Types and tables of every name in pg_temp; functions and operators, which PostgreSQL never looks up there,
		 * in a schema that a careless administrator gave away. */
		await owner(`CREATE SCHEMA ${planted}`);
		await owner(`GRANT USAGE, CREATE ON SCHEMA ${planted} TO dapur_app`);
		try {
			await app.query(`CREATE FUNCTION ${planted}.evil() RETURNS pg_catalog.bool LANGUAGE plpgsql AS $$ BEGIN
				IF CURRENT_USER OPERATOR(pg_catalog.<>) SESSION_USER THEN RAISE EXCEPTION 'owned by %', CURRENT_USER; END IF;
				RETURN true; END $$`);
			for (const [type, result, op] of [['text', 'bool', '='], ['text', 'bool', '<>'], ['text', 'text', '||'],
				['timestamptz', 'bool', '>'], ['timestamptz', 'bool', '<'], ['int4', 'bool', '='], ['int8', 'bool', '=']]) {
				const name = `op_${type}_${[...op].map((char) => char.charCodeAt(0)).join('_')}`;

				await app.query(`CREATE FUNCTION ${planted}.${name}(a pg_catalog.${type}, b pg_catalog.${type})
				    RETURNS pg_catalog.${result} LANGUAGE plpgsql AS $$ BEGIN PERFORM ${planted}.evil();
				    RETURN a OPERATOR(pg_catalog.${op}) b; END $$`);
				await app.query(`CREATE OPERATOR ${planted}.${op} (LEFTARG = pg_catalog.${type},
				    RIGHTARG = pg_catalog.${type}, FUNCTION = ${planted}.${name})`);
			}
			await app.query(`CREATE FUNCTION ${planted}.set_config(a pg_catalog.text, b pg_catalog.text, c pg_catalog.bool)
			    RETURNS pg_catalog.text LANGUAGE plpgsql AS $$ BEGIN PERFORM ${planted}.evil();
			    RETURN pg_catalog.set_config(a, b, c); END $$`);
			await app.query(`CREATE FUNCTION ${planted}.format(a pg_catalog.text, b pg_catalog.text)
			    RETURNS pg_catalog.text LANGUAGE plpgsql AS $$ BEGIN PERFORM ${planted}.evil(); RETURN a; END $$`);
			for (const { name } of (await owner(`SELECT typname AS name FROM pg_type
			    WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typname !~ '^(_|pg_|reg|gtsvector)'
			    AND typinput::text !~ 'pg_node_tree'`)).rows)
				await app.query(`CREATE DOMAIN pg_temp."${name}" AS pg_catalog."${name}" CHECK (${planted}.evil())`);
			for (const { name } of (await owner(`SELECT relname AS name FROM pg_class
			    WHERE relnamespace = 'dapur'::regnamespace AND relkind = 'r'`)).rows)
				await app.query(`CREATE TEMP TABLE "${name}" AS SELECT 1 AS planted`);
			/* an error would name what runs as somebody else; others mean that the trap was not even reached */
			await app.query(`SET search_path = pg_temp, ${planted}, pg_catalog`);
			await assert.rejects(app.query(named('enter'), [hash.replace(/./, 'x'), 'READ']), /log in first/);
			await assert.rejects(app.query(named('enter'), [hash, 'x']), /lacks the permission x/);

			const run = async (name, ...params) => {
				await app.query('BEGIN');
				await app.query(named('enter'), [hash, 'READ']);
				const result = await app.query(named(name), params);
				await app.query('ROLLBACK');
				return result;
			};

			assert.equal((await run('production_create', t.programId, t.menus[0].id, '2026-11-22', 10, t.people.kepala.id,
				'2026-11-22T01:00:00Z', '2026-11-22T02:00:00Z', null, null, null, null, null, null, null)).rowCount, 1);
			assert.equal((await run('production_set_status', p.id, 'PREPARING', null, null, null)).rowCount, 1);
			assert.equal((await run('production_update', p.id, { notes: 'x' })).rowCount, 1);
			assert.equal((await run('production_delete', p.id)).rowCount, 1);
			assert.equal((await run('quality_add', cooking.id, 'TASTE', 'x', null, 'y', true, null, null, null, null, null,
				null, null)).rowCount, 1);
			assert.match((await run('session_line', hash)).rows[0].session_line, /^\S/);
			assert.equal((await run('session_try', 'x@y.z', '::1', 5, 5)).rowCount, 1);
			assert.equal((await run('session_done', 'x@y.z', '::1', t.id, t.people.kepala.id, 'f'.repeat(64), 1, null,
				null)).rowCount, 1);
			assert.equal((await run('session_end', hash, true)).rowCount, 1);
		} finally {
			await app.query('ROLLBACK');
			await app.query('DISCARD TEMP');
			await owner(`DROP SCHEMA ${planted} CASCADE`);
		}
	});
});
