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

/*
 * Whatever PL/pgSQL would look up by an unqualified name: operators, also those behind a word such as IN or NULLIF,
 * functions, types of variables, tables. out: the first one, or nothing. It knows the little language of the functions
 * that go without a search_path; what it does not know is an offence.
 */
function lookedUp(text)
{
	const bare = text.replace(/--.*$/gm, '').replace(/'(?:[^']|'')*'/g, "''")
		.replace(/\braise\b[^;]*;/gi, (raise) => raise.replace(/\w+\s*=/g, '')).replaceAll(':=', ' ');
	const [, declared = '', body] = bare.match(/^\s*(?:declare([^]*?))?(\bbegin\b[^]*)$/i);
	const words = ['in', 'between', 'like', 'ilike', 'similar', 'distinct', 'nullif', 'any', 'some', 'all', 'case', 'cast',
		'collate', 'overlaps', 'interval', 'date', 'time', 'timestamp', 'order', 'group', 'extract', 'substring', 'position',
		'trim', 'overlay', 'array', 'row', 'union', 'except', 'intersect', 'greatest', 'least', 'operator', 'execute',
		'json', 'text', 'bool', 'int', 'bigint', 'numeric', 'record'];

	return bare.match(/[-+*/<>=~!@#%^&|`?"$:[\]]/)?.[0]
		?? declared.split(';').map((line) => line.trim()).find((line) => line && !/^\w+ (pg_catalog|dapur)\.\w+$/.test(line))
		?? body.match(new RegExp(`(?<!\\.)\\b(${words.join('|')})\\b`, 'i'))?.[0]
		?? body.match(/(?<![\w.])\w+\s*\(/)?.[0]
		?? body.match(/\b(?:from|join|update|insert into)\s+(?!dapur\.)\S+/i)?.[0];
}

suite('functions of the owner', () => {
	test('each has a search_path of its own, or looks nothing up', async () => {
		const { rows } = await owner(`SELECT proname AS name, prosecdef AS definer, proconfig IS NOT NULL AS config,
		    prosqlbody IS NOT NULL AS bound, prosrc AS text FROM pg_proc WHERE pronamespace = 'dapur'::regnamespace`);
		const open = rows.filter((f) => f.definer && !f.config && !f.bound);

		assert.deepEqual(open.map((f) => f.name), ['enter']);
		for (const f of open) /* it grows by what they call */
			for (const [, callee] of f.text.matchAll(/\bdapur\.(\w+)\s*\(/g))
				open.push(...rows.filter((g) => g.name === callee && !g.bound && !g.config && !open.includes(g)));
		assert.deepEqual(open.map((f) => [f.name, lookedUp(f.text)]), [['enter', undefined], ['refuse', undefined]]);
	});

	test('the check above sees what would be looked up', () => {
		for (const text of ['begin x := a = b; end', 'begin x := f(a); end', 'declare x text; begin end',
			'begin x := pg_catalog.f(a)::pg_catalog.text; end', 'begin select a from t; end', 'begin x := a in (b); end',
			'begin perform dapur.f(nullif(a, b)); end', 'begin raise exception using message = a || b; end',
			'begin x := a is distinct from b; end', 'declare x pg_catalog.text := f(); begin end'])
			assert.ok(lookedUp(text), text);
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
