/*
 * What every measurement needs: the stack's addresses, the database in the hands of its owner, CPU time by
 * group of processes, and percentiles.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import pg from 'pg';

export const { URL: url, WS_URL: wsUrl, REDIS_URL: redisUrl, DAPUR_RUN: run, DAPUR_BIN: bin } = process.env;
export const work = process.env.BENCH_WORK;
export const origin = new URL(url).origin;
export const KITCHENS = 50;
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What arrives by and by: reach(n) gives whether n have come, after ms at the latest. */
export class Tally
{
	count = 0;
	#waiting = [];

	add(n = 1)
	{
		this.count += n;
		for (const { n: wanted, resolve } of this.#waiting)
			if (this.count >= wanted)
				resolve(true);
	}

	async reach(n, ms)
	{
		let timer;
		const late = new Promise((resolve) => { timer = setTimeout(resolve, ms, false); });
		const come = new Promise((resolve) => { this.#waiting.push({ n, resolve }); });

		this.add(0);
		try {
			return await Promise.race([come, late]);
		} finally {
			clearTimeout(timer);
		}
	}
}

export const kitchen = (k) => `bench-${String(k).padStart(2, '0')}`;

const owner = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 1 });

export const sql = async (text, values) => (await owner.query(text, values)).rows;

/** A statement that only a superuser may run. */
export async function superSql(text)
{
	const client = new pg.Client({ connectionString: process.env.BENCH_SUPER_URL });

	await client.connect();
	await client.query(text);
	await client.end();
}

export const endSql = () => owner.end();

/** Run a program to its end; out: what it printed. */
export function program(file, args, options = {})
{
	return new Promise((resolve, reject) => {
		execFile(file, args, { maxBuffer: 1 << 26, ...options }, (error, stdout, stderr) => {
			if (error)
				reject(new Error(`${file}: ${error.message}\n${stdout}${stderr}`));
			else
				resolve({ stdout, stderr });
		});
	});
}

/** Start a program that runs beside; its output goes to ours. */
export const beside = (file, args, options = {}) =>
	spawn(file, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });

/** A session of each kitchen's cook, as a log-in would have made it: the cookies' values. */
export async function sessions()
{
	const tokens = [];

	for (let k = 0; k < KITCHENS; k++) {
		const token = randomBytes(32).toString('base64url');

		await sql(`insert into dapur.session (token_hash, sppg_id, person_id, expires_at)
		    values ($1, $2, '1', now() + interval '1 day')`,
		[createHash('sha256').update(token).digest('hex'), kitchen(k)]);
		tokens.push(token);
	}
	return tokens;
}

/* --- processes --- */

function stat(pid)
{
	let text;

	try {
		text = readFileSync(`/proc/${pid}/stat`, 'latin1');
	} catch {
		return null; /* it ended meanwhile */
	}
	const f = text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number);

	/* utime + stime, and of the children that ended: 100 ticks a second on every Linux */
	return { parent: f[1], own: (f[11] + f[12]) * 10, ended: (f[13] + f[14]) * 10 };
}

export const pidOf = (name) => Number(readFileSync(`${run}/${name}.pid`, 'latin1'));

/** The processes of a service: its first, and all below. */
export function family(root)
{
	const children = new Map();

	for (const name of readdirSync('/proc')) {
		const s = /^\d+$/.test(name) && stat(name);

		if (s)
			children.set(s.parent, [...children.get(s.parent) ?? [], Number(name)]);
	}
	const all = [root];

	for (let i = 0; i < all.length; i++)
		all.push(...children.get(all[i]) ?? []);
	return all;
}

export const services = ['postgres', 'redis', 'api', 'events', 'relay', 'websocketd', 'nginx'];

/** CPU so far, in ms, of each running service. */
export function cpu()
{
	const used = {};

	for (const name of services) {
		let pid;

		try {
			pid = pidOf(name);
		} catch {
			continue; /* not there */
		}
		used[name] = 0;
		for (const p of family(pid)) {
			const s = stat(p);

			used[name] += s ? s.own + s.ended : 0;
		}
	}
	return used;
}

export const since = (before) => {
	const now = cpu();

	return Object.fromEntries(Object.keys(now).map((name) => [name, now[name] - (before[name] ?? 0)]));
};

/** One number in kB of /proc/PID/smaps_rollup, such as Pss or Private_Dirty; 0 when it ended meanwhile. */
export function smaps(pid, ...names)
{
	let text;

	try {
		text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
	} catch {
		return 0;
	}
	return names.reduce((sum, name) => sum + Number(text.match(new RegExp(`^${name}:\\s+(\\d+)`, 'm'))?.[1] ?? 0), 0);
}

/* --- figures --- */

export function percentile(values, p)
{
	const sorted = [...values].sort((a, b) => a - b);

	return sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p / 100))] : NaN;
}

export const median = (values) => percentile(values, 50);
export const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
export const n0 = (x) => Math.round(x).toLocaleString('en-US');
export const ms = (x) => x.toFixed(x < 10 ? 2 : x < 100 ? 1 : 0);

export const markdown = (head, rows) => [head, head.map(() => '---'), ...rows]
	.map((row) => `| ${row.join(' | ')} |`).join('\n');
