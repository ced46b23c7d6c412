/*
 * A fresh kitchen per test file: tenant, programme, menus and one person per
 * role, inserted by the schema's owner as an importer would.
 *
 * Column and table names of the schema appear here and in db.js only.
 */
import { randomBytes } from 'node:crypto';
import { Client } from './client.js';
import { owner } from './db.js';

/** The roles of dapur-api(7), written down once more on purpose: not read from the table. */
export const roles = {
	kepala: 'SPPG_KEPALA',
	admin: 'SPPG_ADMIN',
	gizi: 'SPPG_AHLI_GIZI',
	produksi: 'SPPG_PRODUKSI_MANAGER',
	dapur: 'SPPG_STAFF_DAPUR',
	qc: 'SPPG_STAFF_QC',
	akuntan: 'SPPG_AKUNTAN',
	viewer: 'SPPG_VIEWER',
	demo: 'DEMO_USER',
};

export const permissions = {
	kepala: ['READ', 'WRITE', 'MENU_MANAGE', 'PROCUREMENT_MANAGE',
	    'PRODUCTION_MANAGE', 'QUALITY_MANAGE', 'USER_MANAGE'],
	admin: ['READ', 'WRITE', 'MENU_MANAGE', 'PROCUREMENT_MANAGE',
	    'PRODUCTION_MANAGE', 'USER_MANAGE'],
	gizi: ['READ', 'MENU_MANAGE', 'QUALITY_MANAGE'],
	produksi: ['READ', 'PRODUCTION_MANAGE', 'QUALITY_MANAGE'],
	dapur: ['READ', 'PRODUCTION_MANAGE'],
	qc: ['READ', 'QUALITY_MANAGE'],
	akuntan: ['READ', 'PROCUREMENT_MANAGE'],
	viewer: ['READ'],
	demo: ['READ'],
};

let hash;

/** The argon2id hash of `password`: the demo's own, so nothing is computed. */
async function passwordHash()
{
	hash ??= owner(`SELECT password_hash FROM dapur.person
	    WHERE email = 'kepala@melati.test'`).then(({ rows }) => {
		if (rows.length !== 1)
			throw new Error('the demo person kepala@melati.test is not loaded');
		return rows[0].password_hash;
	});
	return hash;
}

const tick = () => randomBytes(5).toString('hex');

/**
 * Make a tenant.
 *
 * in   tier (ENTERPRISE), status (ACTIVE), who: the roles to make (all)
 * out  { id, mark, name, programId, programName, menus: [{ id, name, code,
 *      mealType, costPerServing }], people:
 *      { kepala: { id, email, role } ... }, login(who), input(changes) }
 */
export async function makeTenant({
	tier = 'ENTERPRISE', status = 'ACTIVE', who = Object.keys(roles),
} = {})
{
	const mark = tick();
	const id = `t-${mark}`;
	const t = {
		id, mark, name: `Kitchen ${mark}`, programId: `program-${mark}`,
		programName: `Programme ${mark}`, menus: [], people: {}, sessions: new Map(),
	};

	await owner(`INSERT INTO dapur.tenant (id, name, status, tier)
	    VALUES ($1, $2, $3, $4)`, [id, t.name, status, tier]);
	await owner(`INSERT INTO dapur.program (sppg_id, id, name)
	    VALUES ($1, $2, $3)`, [id, t.programId, t.programName]);
	for (const [n, cost] of [[1, '7500.00'], [2, '8250.50']]) {
		const menu = {
			id: `menu-${mark}-${n}`, name: `Nasi ${mark} ${n}`, code: `M${n}-${mark}`,
			mealType: n === 1 ? 'LUNCH' : 'SNACK', costPerServing: Number(cost),
		};
		await owner(`INSERT INTO dapur.menu (sppg_id, id, program_id, menu_name,
		    menu_code, meal_type, serving_size, cost_per_serving)
		    VALUES ($1, $2, $3, $4, $5, $6, 350, $7)`,
		    [id, menu.id, t.programId, menu.name, menu.code, menu.mealType, cost]);
		t.menus.push(menu);
	}
	for (const name of who)
		t.people[name] = await addPerson(t, name);

	/** A logged-in client of this person; one session each, kept. */
	t.login = async (name) => {
		if (!t.sessions.has(name)) {
			const client = new Client();
			t.sessions.set(name, client.login(t.people[name].email).then(() => client));
		}
		return t.sessions.get(name);
	};
	/** A production this tenant may create; `changes` override its members. */
	t.input = (changes = {}) => ({
		programId: t.programId,
		menuId: t.menus[0].id,
		productionDate: '2026-11-22',
		plannedPortions: 120,
		headCook: t.people[who.includes('dapur') ? 'dapur' : who[0]].id,
		plannedStartTime: '2026-11-22T01:00:00Z',
		plannedEndTime: '2026-11-22T05:00:00Z',
		...changes,
	});
	return t;
}

/** Add one person; `changes` override columns. */
export async function addPerson(t, name, changes = {})
{
	const person = {
		id: `user-${t.mark}-${name}-${tick()}`,
		email: `${name}-${tick()}@${t.mark}.test`,
		name: `${name} of ${t.mark}`,
		role: roles[name] ?? 'SPPG_VIEWER',
		active: true,
		hash: await passwordHash(),
		...changes,
	};
	await owner(`INSERT INTO dapur.person (sppg_id, id, email, name, role,
	    active, password_hash) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
	    [t.id, person.id, person.email, person.name, person.role,
	    person.active, person.hash]);
	return person;
}
