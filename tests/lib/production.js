/* Steps that many tests take with a production. */
import { owner } from './db.js';
import { done, written } from './expect.js';

/** Create one and give it back. */
export async function create(client, t, changes = {})
{
	return written(await client.post('/api/production', t.input(changes)), 201);
}

/** Ask for a status; gives the answer as it is. */
export function setStatus(client, id, status, more = {})
{
	return client.patch(`/api/production/${id}/status`, { status, ...more });
}

/** A quality check's members; `changes` override. */
export const check = (changes = {}) => ({
	checkType: 'TASTE', parameter: 'salt', actualValue: 'right', passed: true, ...changes,
});

/** Add a quality check; gives the answer as it is. */
export function addCheck(client, id, changes = {})
{
	return client.post(`/api/production/${id}/quality-checks`, check(changes));
}

const day = ['PLANNED', 'PREPARING', 'COOKING', 'QUALITY_CHECK', 'COMPLETED'];

/**
 * Make a production and lead it to `status` the legal way; for COMPLETED
 * with 118 portions and one passed check.
 */
export async function at(client, t, status, changes = {})
{
	let p = await create(client, t, changes);

	if (status === 'CANCELLED')
		return written(await setStatus(client, p.id, 'CANCELLED', { reason: 'no gas' }));
	for (const next of day.slice(1, day.indexOf(status) + 1)) {
		let more = {};
		if (next === 'COMPLETED') {
			written(await addCheck(client, p.id), 201);
			more = { actualPortions: 118 };
		}
		p = written(await setStatus(client, p.id, next, more));
	}
	return p;
}

/** The production as GET gives it now. */
export async function read(client, id)
{
	return done(await client.get(`/api/production/${id}`));
}

/**
 * Insert one as a foreign writer would (psql, Prisma): by SQL, as the owner
 * or over `query`. Members are columns; gives its id.
 */
export async function insert(t, columns = {}, query = owner)
{
	const i = t.input();
	const row = {
		sppg_id: t.id, program_id: i.programId, menu_id: i.menuId,
		production_date: i.productionDate, planned_portions: i.plannedPortions,
		head_cook: i.headCook, planned_start_time: i.plannedStartTime,
		planned_end_time: i.plannedEndTime, ...columns,
	};
	const names = Object.keys(row);
	const { rows } = await query(`INSERT INTO dapur.production (${names.join(', ')})
	    VALUES (${names.map((_, n) => `$${n + 1}`).join(', ')}) RETURNING id`,
	    Object.values(row));
	return rows[0].id;
}

/** Insert n at once as a foreign writer would; the application publishes none of their events. */
export async function insertMany(t, n, query = owner)
{
	const i = t.input();

	await query(`INSERT INTO dapur.production (sppg_id, program_id, menu_id, production_date,
	    planned_portions, head_cook, planned_start_time, planned_end_time)
	    SELECT $1, $2, $3, $4::date, $5::int, $6, $7::timestamptz, $8::timestamptz
	    FROM generate_series(1, $9::int)`,
	    [t.id, i.programId, i.menuId, i.productionDate, i.plannedPortions, i.headCook,
	    i.plannedStartTime, i.plannedEndTime, n]);
}
