/*
 * The load: hands that lead productions through their day, every write with
 * an Idempotency-Key, repeated until it is acknowledged; and a foreign
 * writer who goes past the actions, by SQL.
 *
 * What each act must leave in the log is noted before it is first sent; the
 * checker compares. An act is { tenant, key, type, id, from, to, mark,
 * acknowledged: { position, status, replayed } }.
 */
import http from 'node:http';
import { exchange } from './http.js';
import { Rng } from './prng.js';
import { sleep } from './stack.js';

const CHECKS = ['HYGIENE', 'TEMPERATURE', 'TASTE', 'APPEARANCE', 'SAFETY'];

/** Is this answer one to try again after? Everything else is final. */
function again(status, body)
{
	return status >= 500 || status === 429
	    || (status === 409 && body?.code === 'CONFLICT' && /running/.test(body.error));
}

export class Load {
	/** out: acts, every act begun; trouble, what should never happen; counts */
	constructor({ seed, url, origin, stack, tenants, hands, think_ms, deadline_ms })
	{
		Object.assign(this, { seed, url, origin, stack, tenants, think_ms, deadline_ms });
		this.acts = [];
		this.trouble = [];
		this.counts = { requests: 0, answers: {}, broken: 0, replayed: 0, resent: 0, slowest_ms: 0 };
		this.agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
		this.stopping = false;
		this.nHands = hands;
	}

	/** Work until stop(); resolves when no act is open any more. */
	async run()
	{
		const all = [];

		for (const t of this.tenants) {
			for (let h = 0; h < this.nHands; h++)
				all.push(this.#hand(t, h));
			all.push(this.#foreigner(t));
		}
		await Promise.all(all);
	}

	stop() { this.stopping = true; }
	get open() { return this.acts.filter((a) => !a.acknowledged); }

	/* --- one act --- */

	#act(t, key, type, expect)
	{
		const act = { tenant: t.id, key, type, ...expect };

		this.acts.push(act);
		return act;
	}

	/** Send until it is acknowledged. Gives the answer's data; undefined when it never was. */
	async #send(t, rng, act, method, path, body)
	{
		const text = body === undefined ? undefined : JSON.stringify(body);
		const end = Date.now() + this.deadline_ms;

		act.began_ms = Date.now();
		for (let tries = 0;; tries++) {
			const r = await this.#once(t, rng, act.key, method, path, text);
			if (r?.status === 200 || r?.status === 201) {
				act.id ??= r.body.data?.id;
				act.acknowledged = { position: r.body.position, status: r.status,
				    replayed: r.headers['idempotency-replayed'] === 'true', tries };
				if (act.acknowledged.replayed)
					this.counts.replayed++;
				if (rng.chance(0.05))
					await this.#resend(t, rng, act, method, path, text);
				return r.body.data;
			}
			if (r && !again(r.status, r.body)) {
				this.trouble.push(`${act.tenant} ${act.key} ${method} ${path}`
				    + ` was refused after ${tries} tries: ${r.status} ${r.text.slice(0, 300)}`);
				return undefined;
			}
			if (Date.now() > end) {
				this.trouble.push(`${act.tenant} ${act.key} ${method} ${path} had no`
				    + ` answer for ${this.deadline_ms} ms`);
				return undefined;
			}
			await sleep(Math.min(50 * 2 ** Math.min(tries, 5), 1000) * (0.5 + rng.next()));
		}
	}

	/** The same key once more: the same answer, and nothing happens. */
	async #resend(t, rng, act, method, path, text)
	{
		const r = await this.#once(t, rng, act.key, method, path, text);

		this.counts.resent++;
		if (!r || again(r.status, r.body))
			return;
		if (r.status !== act.acknowledged.status || r.body.position !== act.acknowledged.position)
			this.trouble.push(`${act.tenant} ${act.key}: acknowledged with`
			    + ` ${act.acknowledged.status} ${act.acknowledged.position},`
			    + ` sent again: ${r.status} ${r.text.slice(0, 300)}`);
	}

	async #once(t, rng, key, method, path, text)
	{
		const headers = { cookie: t.cookie, origin: this.origin, 'idempotency-key': key };
		const began = Date.now();
		/* Mostly patient; sometimes gone before the answer can be there. */
		const timeout_ms = rng.chance(0.05) ? rng.int(5, 100) : rng.int(3000, 8000);

		if (text !== undefined)
			headers['content-type'] = 'application/json';
		this.counts.requests++;
		try {
			const r = await exchange(this.url + path,
			    { method, headers, body: text, timeout_ms, agent: this.agent });
			this.counts.answers[r.status] = (this.counts.answers[r.status] ?? 0) + 1;
			this.counts.slowest_ms = Math.max(this.counts.slowest_ms, Date.now() - began);
			for (const other of this.tenants)
				if (other !== t && r.text.includes(other.mark))
					this.trouble.push(`${t.id} ${key}: the answer names ${other.id}: ${r.text.slice(0, 300)}`);
			r.body = JSON.parse(r.text);
			return r;
		} catch (error) {
			if (error instanceof SyntaxError)
				this.trouble.push(`${t.id} ${key} ${method} ${path}: not JSON: ${error.message}`);
			this.counts.broken++;
			return undefined;
		}
	}

	/* --- the day of one hand --- */

	async #hand(t, h)
	{
		const rng = new Rng(this.seed, 'hand', t.n, h);

		for (let n = 0; !this.stopping; n++)
			await this.#day(t, rng, `${t.mark}-${h}-${n}`);
	}

	async create(t, rng, key)
	{
		const act = this.#act(t, `${key}-create`, 'production_created', { mark: `${key}-create` });
		const month = String(rng.int(1, 12)).padStart(2, '0');
		const date = `20${rng.int(26, 60)}-${month}-${String(rng.int(1, 28)).padStart(2, '0')}`;

		return this.#send(t, rng, act, 'POST', '/api/production', t.input({
			productionDate: date, plannedStartTime: `${date}T01:00:00Z`,
			plannedEndTime: `${date}T05:00:00Z`, notes: act.mark,
		}));
	}

	/** A production from its plan to wherever the dice lead it; stops between two acts. */
	async #day(t, rng, key)
	{
		const p = await this.create(t, rng, key);
		if (!p) {
			await sleep(500);
			return;
		}
		const path = `/api/production/${p.id}`;
		let n = 0, status = 'PLANNED';
		const think = () => sleep(rng.pause(this.think_ms));
		const update = async () => {
			const k = `${key}-update-${n++}`;
			const act = this.#act(t, k, 'production_updated', { id: p.id, mark: k });
			return this.#send(t, rng, act, 'PUT', path, { notes: k });
		};
		const step = async (to, more = {}) => {
			const act = this.#act(t, `${key}-${to}`, 'status_changed', { id: p.id, from: status, to });
			status = to;
			return this.#send(t, rng, act, 'PATCH', `${path}/status`, { status: to, ...more });
		};
		const check = async (checkType, passed) => {
			const k = `${key}-check-${n++}`;
			const act = this.#act(t, k, 'quality_check_added', { of: p.id, mark: k });
			return this.#send(t, rng, act, 'POST', `${path}/quality-checks`,
			    { checkType, parameter: 'x', actualValue: 'y', passed, notes: k });
		};
		const remove = () => this.#send(t, rng,
		    this.#act(t, `${key}-delete`, 'production_deleted', { id: p.id }), 'DELETE', path);
		const plan = [];

		for (let i = rng.int(0, 2); i > 0; i--)
			plan.push(update);
		if (rng.chance(0.1)) {
			plan.push(remove);
		} else {
			const cancel = async () => step('CANCELLED', { reason: 'no gas' });
			const type = rng.pick(CHECKS), failed = rng.chance(0.3);
			plan.push(() => step('PREPARING'));
			if (rng.chance(0.3))
				plan.push(update);
			plan.push(() => step('COOKING'));
			if (failed)
				plan.push(() => check(type, false));
			plan.push(() => step('QUALITY_CHECK'), () => check(type, true),
			    () => step('COMPLETED', { actualPortions: 100 }));
			if (rng.chance(0.2)) {
				plan.splice(rng.int(1, plan.length - 1), plan.length, cancel);
				if (rng.chance(0.5))
					plan.push(remove);
			}
		}
		for (const go of plan) {
			await think();
			if (this.stopping || await go() === undefined)
				return;
		}
	}

	/* --- who writes past the actions --- */

	async #foreigner(t)
	{
		const rng = new Rng(this.seed, 'foreigner', t.n);

		for (let n = 0; !this.stopping; n++) {
			await sleep(rng.pause(this.think_ms * 20));
			if (this.stopping)
				return;
			const key = `${t.mark}-sql-${n}`;
			const menu = rng.pick(t.menus);
			try {
				if (rng.chance(0.5)) {
					const act = this.#act(t, key, 'menu_updated', { id: menu.id, menuName: key });
					await this.stack.sqlUntilDone(`UPDATE dapur.menu SET menu_name = $3
					    WHERE sppg_id = $1 AND id = $2`, [t.id, menu.id, key]);
					act.acknowledged = {};
				} else {
					const act = this.#act(t, key, 'production_created', { id: key, mark: key });
					const i = t.input();
					await this.stack.sqlUntilDone(`INSERT INTO dapur.production (sppg_id, id,
					    program_id, menu_id, production_date, planned_portions, head_cook,
					    planned_start_time, planned_end_time, notes)
					    SELECT $1::text, $2::text, $3::text, $4::text, $5::date, 50, $6::text,
					    $7::timestamptz, $8::timestamptz, $2::text WHERE NOT EXISTS (SELECT FROM
					    dapur.production WHERE sppg_id = $1::text AND id = $2::text)`,
					    [t.id, key, i.programId, i.menuId, i.productionDate, i.headCook,
					    i.plannedStartTime, i.plannedEndTime]);
					act.acknowledged = {};
				}
			} catch (error) {
				this.trouble.push(`${t.id} ${key} by SQL: ${error.message}`);
			}
		}
	}
}
