/* The event log is written by triggers, whoever writes; the application's role is nobody. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, owner } from '../lib/db.js';
import { env } from '../lib/env.js';
import { done, position, refused, written } from '../lib/expect.js';
import { addCheck, at, create, insert, insertMany, read, setStatus } from '../lib/production.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

const head = async (t) => Number((await owner(
    'SELECT seq FROM dapur.tenant_head WHERE sppg_id = $1', [t.id])).rows[0].seq);
const logOf = async (t, after = 0) => (await owner(
    'SELECT seq::int AS seq, type, line FROM dapur.event WHERE sppg_id = $1 AND seq > $2 ORDER BY seq',
    [t.id, after])).rows.map((row) => ({ ...row, event: JSON.parse(row.line) }));

suite('the event log', () => {
	test('a row inserted by psql has its event with the next seq', async () => {
		const t = await makeTenant();
		const c = await t.login('viewer');
		const before = await head(t);
		const id = await insert(t);
		const [entry, ...more] = await logOf(t, before);

		assert.equal(more.length, 0);
		assert.equal(entry.seq, before + 1);
		assert.equal(await head(t), before + 1);
		assert.equal(entry.event.type, 'production_created');
		assert.equal(entry.event.seq, entry.seq);
		assert.equal(entry.event.sppgId, t.id);
		assert.equal(entry.event.productionId, id);
		assert.equal(entry.event.userId, null);
		assert.equal(entry.line.includes('\n'), false);
		assert.deepEqual(entry.event.data, await read(c, id));
		assert.match(entry.event.data.batchNumber, /^BATCH-20261122-\d{4,}$/);
	});

	test('each action: one event, its position in the answer, its data the same bytes', async () => {
		const t = await makeTenant();
		const c = await t.login('kepala');
		const before = await head(t);
		const steps = [];
		const p = await (async () => {
			const r = await c.post('/api/production', t.input());
			steps.push(r);
			return written(r, 201);
		})();

		steps.push(await c.patch(`/api/production/${p.id}`, { notes: 'x "y" \u00e9' }));
		steps.push(await setStatus(c, p.id, 'CANCELLED', { reason: 'habis' }));
		steps.push(await c.delete(`/api/production/${p.id}`));
		const log = await logOf(t, before);

		assert.deepEqual(log.map((e) => e.type), ['production_created', 'production_updated',
		    'status_changed', 'production_deleted']);
		log.forEach((entry, n) => {
			const mine = position(steps[n].body.position);
			assert.equal(mine.seq, entry.seq);
			assert.equal(entry.seq, before + 1 + n);
			assert.equal(entry.event.position, steps[n].body.position);
			assert.equal(entry.event.userId, t.people.kepala.id);
			if (n < 3)
				assert.deepEqual(entry.event.data, steps[n].body.data);
		});
		assert.deepEqual([log[2].event.from, log[2].event.to], ['PLANNED', 'CANCELLED']);
	});

	test('what is rolled back or refused leaves neither event nor hole', async () => {
		const t = await makeTenant();
		const c = await t.login('kepala');
		const p = await create(c, t);
		const before = await head(t);
		const db = await connect(env.DATABASE_URL);

		await db.query('BEGIN');
		await insert(t, {}, (text, values) => db.query(text, values));
		await db.query('ROLLBACK');
		refused(await setStatus(c, p.id, 'COMPLETED', { actualPortions: 1 }), 409, 'ILLEGAL_TRANSITION');
		refused(await c.post('/api/production', t.input({ menuId: 'none' })), 422, 'INVALID');
		refused(await c.post('/api/production', t.input({ batchNumber: p.batchNumber })), 409, 'CONFLICT');
		assert.equal(await head(t), before);
		assert.equal(position((await c.post('/api/production', t.input())).body.position).seq, before + 1);
	});

	test('the rules hold for psql too', async () => {
		const [t, u] = [await makeTenant(), await makeTenant()];
		const c = await t.login('kepala');
		const p = await create(c, t);
		const before = await head(t);
		const set = (what, id = p.id) => owner(
		    `UPDATE dapur.production SET ${what} WHERE sppg_id = '${t.id}' AND id = $1`, [id]);

		await assert.rejects(set("status = 'COMPLETED'"));
		await assert.rejects(set("status = 'COOKING'"));
		await assert.rejects(set("status = 'CANCELLED'"), /cancel/);
		await assert.rejects(set('planned_portions = 0'));
		await assert.rejects(set(`photos = array['https://' || repeat('x', 20000)]`));
		await assert.rejects(set('planned_end_time = planned_start_time'));
		await assert.rejects(set(`menu_id = '${u.menus[0].id}'`));
		await assert.rejects(set(`program_id = '${u.programId}'`));
		await assert.rejects(set(`sppg_id = '${u.id}'`));
		await assert.rejects(insert(t, { menu_id: u.menus[0].id }));
		await assert.rejects(insert(t, { head_cook: u.people.dapur.id }));
		await assert.rejects(insert(t, { batch_number: p.batchNumber }));
		await assert.rejects(owner(`INSERT INTO dapur.quality_check (sppg_id, production_id,
		    check_type, parameter, actual_value, passed) VALUES ($1, $2, 'TASTE', 'x', 'y', true)`,
		    [t.id, p.id]), /COOKING/);
		const q = await at(c, t, 'COMPLETED');
		await assert.rejects(set("notes = 'x'", q.id));
		await assert.rejects(owner('DELETE FROM dapur.production WHERE id = $1', [q.id]));
		assert.equal(await head(t), before + 6);
		await set("status = 'PREPARING'");
		assert.equal((await logOf(t, before + 6))[0].event.to, 'PREPARING');
		assert.ok((await read(c, p.id)).actualStartTime);
	});

	test('64 creates at once, some by psql: seq dense and in commit order', async () => {
		const t = await makeTenant();
		const c = await t.login('dapur');
		const before = await head(t);

		const all = await Promise.all(Array.from({ length: 64 }, async (_, n) =>
			(n % 4 === 3 ? insert(t) : written(await c.post('/api/production', t.input()), 201).id)));
		const log = await logOf(t, before);
		assert.deepEqual(log.map((e) => e.seq), Array.from({ length: 64 }, (_, n) => before + 1 + n));
		assert.deepEqual(log.map((e) => e.event.productionId).sort(), [...all].sort());
		assert.equal(new Set(log.map((e) => e.event.data.batchNumber)).size, 64);
		for (const e of log)
			assert.equal(position(e.event.position).seq, e.seq);
		assert.equal(done(await c.get('/api/production?limit=100')).length, 64);
	});

	test('the application\'s role owns nothing and is not special', async () => {
		const app = await connect();
		const { rows: [me] } = await app.query(`SELECT rolsuper, rolbypassrls, rolcreaterole,
		    rolcreatedb, rolreplication FROM pg_roles WHERE rolname = current_user`);

		assert.ok(Object.values(me).every((flag) => flag === false), JSON.stringify(me));
		const { rows } = await owner(`SELECT c.relname FROM pg_class c JOIN pg_namespace n
		    ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
		    WHERE n.nspname = 'dapur' AND r.rolname IN ('dapur_app', 'dapur_relay')`);
		assert.deepEqual(rows, []);
		const { rows: open } = await owner(`SELECT c.relname FROM pg_class c
		    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'sppg_id'
		    WHERE c.relnamespace = 'dapur'::regnamespace AND c.relkind IN ('r', 'p')
		    AND NOT c.relrowsecurity`);
		assert.deepEqual(open, [], 'a table of tenants without row-level security');
	});

	test('the application\'s role sees nothing without a tenant', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const app = await connect();

		await create(await t.login('dapur'), t);
		for (const table of ['tenant', 'program', 'menu', 'production', 'event', 'tenant_head']) {
			const { rows } = await app.query(`SELECT count(*)::int AS n FROM dapur.${table}`);
			assert.equal(rows[0].n, 0, table);
		}
		const { rows } = await app.query('SELECT count(id)::int AS n FROM dapur.person');
		assert.equal(rows[0].n, 0);
	});

	test('the application\'s role with a tenant sees and touches that one only', async () => {
		const [t, u] = [await makeTenant({ who: ['dapur'] }), await makeTenant({ who: ['dapur'] })];
		const app = await connect();
		const p = await create(await t.login('dapur'), t);
		const q = await create(await u.login('dapur'), u);

		await app.query('BEGIN');
		await app.query("SELECT set_config('dapur.tenant', $1, true)", [t.id]);
		const { rows } = await app.query('SELECT id FROM dapur.production');
		assert.deepEqual(rows.map((row) => row.id), [p.id]);
		for (const table of ['tenant_head', 'event', 'menu', 'program'])
			assert.equal((await app.query(`SELECT count(*)::int AS n FROM dapur.${table}
			    WHERE sppg_id <> $1`, [t.id])).rows[0].n, 0, table);
		assert.equal((await app.query(`UPDATE dapur.production SET notes = 'x' WHERE id = $1`,
		    [q.id])).rowCount, 0);
		assert.equal((await app.query('DELETE FROM dapur.production WHERE id = $1', [q.id])).rowCount, 0);
		await app.query('SAVEPOINT s');
		await assert.rejects(insert(u, {}, (text, values) => app.query(text, values)),
		    /row-level security|not an active|suspended|violates/);
		await app.query('ROLLBACK');
		assert.equal((await app.query('SELECT count(*)::int AS n FROM dapur.production')).rows[0].n, 0,
		    'the tenant ends with the transaction');
	});

	test('the application\'s role cannot write the log, read hashes or change the rules', async () => {
		const t = await makeTenant({ who: ['dapur'] });
		const app = await connect();

		await create(await t.login('dapur'), t);
		for (const statement of [
			`INSERT INTO dapur.event (sppg_id, seq, topic, type, object_id, at, data_at, data_len, line)
			 VALUES ('${t.id}', 999, 'production', 'x', 'x', now(), 0, 0, '{}')`,
			'UPDATE dapur.event SET line = \'{}\'', 'DELETE FROM dapur.event',
			'TRUNCATE dapur.event', 'UPDATE dapur.tenant_head SET seq = seq + 1',
			"SELECT dapur.log_event('x', 'production', 'x', 'x', '{}', '')",
			'SELECT password_hash FROM dapur.person', 'SELECT * FROM dapur.session',
			"UPDATE dapur.tenant SET tier = 'ENTERPRISE'", 'DELETE FROM dapur.production_transition',
			"INSERT INTO dapur.production_transition VALUES ('PLANNED', 'COMPLETED')",
			"INSERT INTO dapur.role_permission VALUES ('SPPG_VIEWER', 'USER_MANAGE')",
			'ALTER TABLE dapur.production DISABLE TRIGGER ALL', 'DROP TABLE dapur.event',
			'ALTER TABLE dapur.production DISABLE ROW LEVEL SECURITY',
			'SET session_replication_role = replica', 'CREATE TABLE dapur.mine (x int)',
			'CREATE TABLE public.mine (x int)', 'SET ROLE dapur_owner',
			"UPDATE dapur.person SET role = 'SPPG_KEPALA'",
			'CREATE TEMP TABLE production (x int); CREATE FUNCTION dapur.f() RETURNS int LANGUAGE sql RETURN 1',
		]) {
			await app.query('BEGIN');
			await app.query("SELECT set_config('dapur.tenant', $1, true)", [t.id]);
			await assert.rejects(app.query(statement),
			    /permission denied|must be owner|must be member|does not exist/, statement);
			await app.query('ROLLBACK');
		}
	});

	test('a foreign writer cannot change a kitchen without an event', async () => {
		const [t, u] = [await makeTenant(), await makeTenant()];
		const c = await t.login('kepala');
		const p = await at(c, t, 'COMPLETED');
		const q = await create(c, t);
		await owner("INSERT INTO dapur.program (sppg_id, id, name) VALUES ($1, 'free', 'x')", [t.id]);
		const before = await head(t);

		for (const table of ['program', 'menu', 'person', 'production', 'quality_check'])
			await assert.rejects(owner(`TRUNCATE dapur.${table} CASCADE`), /TRUNCATE/, table);
		await assert.rejects(owner(`UPDATE dapur.program SET sppg_id = '${u.id}' WHERE id = 'free'
		    AND sppg_id = $1`, [t.id]), /keeps its id/);
		await assert.rejects(owner(`UPDATE dapur.menu SET id = 'other' WHERE id = $1`,
		    [t.menus[1].id]), /keeps its id/);
		await assert.rejects(owner(`UPDATE dapur.person SET id = 'other' WHERE id = $1`,
		    [t.people.viewer.id]), /keeps its id/);
		await assert.rejects(owner('UPDATE dapur.quality_check SET passed = false WHERE sppg_id = $1',
		    [t.id]), /stays as it was/);
		await assert.rejects(owner('DELETE FROM dapur.quality_check WHERE sppg_id = $1', [t.id]),
		    /stays as it was/);
		assert.equal((await read(c, p.id)).qualityPassed, true);
		/* a trigger of somebody else may not claim that it is the quality check's */
		const db = await connect(env.DATABASE_URL);
		await db.query('BEGIN');
		await db.query(`CREATE TEMP TABLE mine (x int);
		    CREATE FUNCTION pg_temp.f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			UPDATE dapur.production SET quality_passed = true, status = 'COMPLETED'
			WHERE sppg_id = '${t.id}' AND id = '${q.id}';
			RETURN NULL; END $$;
		    CREATE TRIGGER t AFTER INSERT ON mine FOR EACH ROW EXECUTE FUNCTION pg_temp.f()`);
		await assert.rejects(db.query('INSERT INTO mine VALUES (1)'), /quality checks say/);
		await db.query('ROLLBACK');
		assert.equal(await head(t), before);
	});

	test('no value leaves its range, whoever writes it', async () => {
		const t = await makeTenant({ who: ['kepala', 'dapur'] });
		const p = await at(await t.login('kepala'), t, 'PREPARING');
		const plan = await insert(t);
		const rules = [
			[plan, 'batch_number', ["''", "repeat('x', 51)", "e'a\\tb'"]],
			[plan, 'production_date', ["'1999-12-31'", "'2200-01-01'"]],
			[plan, 'planned_portions', [0, 100001]],
			[plan, 'assistant_cooks', [`array_fill('${t.people.dapur.id}'::text, array[51])`]],
			[plan, 'estimated_cost', [-1]],
			[p.id, 'actual_portions', [-1, 100001]],
			[p.id, 'actual_cost', [-0.01]],
			[p.id, 'hygiene_score', [0, 101]],
			...['taste_rating', 'appearance_rating', 'texture_rating'].map((name) => [p.id, name, [0, 6]]),
			[p.id, 'rejection_reason', ["''", "repeat('x', 1001)"]],
			[p.id, 'waste_amount', [-1]],
			[p.id, 'waste_notes', ["repeat('x', 1001)"]],
			[p.id, 'notes', ["repeat('x', 2001)"]],
			[p.id, 'photos', ["array_fill('x'::text, array[21])", "array[repeat('x', 12001)]"]],
		];
		const fails = (rule, text, values) => assert.rejects(owner(text, values), (e) => {
			assert.deepEqual([e.constraint, e.code], [rule, '23514'], text);
			return true;
		});

		for (const [id, name, values] of rules)
			for (const value of values)
				await fails(`production_${name}_check`,
				    `UPDATE dapur.production SET ${name} = ${value} WHERE sppg_id = $1 AND id = $2`, [t.id, id]);
		await fails('production_times', `UPDATE dapur.production SET planned_end_time = planned_start_time
		    WHERE sppg_id = $1 AND id = $2`, [t.id, plan]);
		await fails('production_notes_check', `UPDATE dapur.production SET notes = repeat('x', 2001),
		    status = 'COOKING' WHERE sppg_id = $1 AND id = $2`, [t.id, p.id]);
		await assert.rejects(insert(t, { planned_portions: 0 }), { constraint: 'production_planned_portions_check' });
		for (const id of ["''", "repeat('x', 65)", "repeat('\u00e9', 33)", "e'a\\nb'"])
			await fails('id_check', `INSERT INTO dapur.program (sppg_id, id, name) VALUES ($1, ${id}, 'x')`, [t.id]);
		await owner(`INSERT INTO dapur.program (sppg_id, id, name) VALUES ($1, repeat('\u00e9', 32), 'x')`, [t.id]);
	});

	test('the checks of a deleted production go with it', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const p = await at(c, t, 'QUALITY_CHECK');

		written(await addCheck(c, p.id, { passed: false }), 201);
		written(await setStatus(c, p.id, 'CANCELLED', { reason: 'habis' }));
		written(await c.delete(`/api/production/${p.id}`));
		assert.equal((await owner('SELECT count(*)::int AS n FROM dapur.quality_check WHERE sppg_id = $1',
		    [t.id])).rows[0].n, 0);
	});

	test('an upsert counts what it inserts, and nothing else', async () => {
		const t = await makeTenant({ tier: 'TRIAL' });
		const kept = async () => (await owner(`SELECT sum(kept)::int AS n FROM dapur.production_month
		    WHERE sppg_id = $1`, [t.id])).rows[0].n;
		const id = await insert(t);

		assert.equal(await kept(), 1);
		for (let n = 0; n < 3; n++)
			await owner(`INSERT INTO dapur.production (sppg_id, id, program_id, menu_id,
				production_date, planned_portions, head_cook, planned_start_time, planned_end_time)
			    SELECT sppg_id, id, program_id, menu_id, production_date, planned_portions, head_cook,
				planned_start_time, planned_end_time FROM dapur.production WHERE id = $1
			    ON CONFLICT (sppg_id, id) ${n ? "DO UPDATE SET notes = 'again'" : 'DO NOTHING'}`, [id]);
		assert.equal(await kept(), 1);
		await insertMany(t, 19);
		assert.equal(await kept(), 20);
		await assert.rejects(insert(t), /tier allows 20/);
		assert.equal(await kept(), 20);
	});
});
