/*
 * Creates, lists and status changes a second through the front, beside pgbench with the same statements on the same
 * rows: rounds of both in turn, so that a machine that drifts drifts for both.
 */
import { writeFileSync } from 'node:fs';
import { KITCHENS, cpu, median, ms, n0, origin, program, since, sql, superSql, url, work }
	from './lib.js';
import { script } from './pgscript.js';

const CONNECTIONS = 32;
const CLIENTS = 8; /* of pgbench: what PostgreSQL likes best on few cores */
const POOL = 60000; /* productions to move in one round */

const kinds = {
	create: {
		write: true,
		need: 'PRODUCTION_MANAGE',
		name: 'production_create',
		sets: ['\\set session random(9000000, 9000049)', '\\set day random(20260901, 20260928)',
			'\\set menu random(1, 10)', '\\set portions random(100, 1000)'],
		params: [':one', ':menu', ':day', ':portions', ':one', ':begin', ':end'],
	},
	list: {
		need: 'READ',
		name: "production_page",
		sets: ['\\set session random(9000000, 9000049)'],
		params: [null, ':limit', ':offset'],
	},
	unchanged: {}, /* pgbench cannot know each kitchen's position: ours alone */
	status: {
		write: true,
		need: 'PRODUCTION_MANAGE',
		name: 'production_set_status',
		sets: ['\\set i :i + 1', `\\set id :base + :client_id * ${POOL / CLIENTS} + :i`,
			`\\set session 9000000 + :id % ${KITCHENS}`],
		params: [':id', ':status'],
	},
};

const variables = { one: 1, begin: '2026-09-15T01:00:00.000Z', end: '2026-09-15T05:00:00.000Z', limit: 20,
	offset: 0, status: 'PREPARING', i: -1 };

/** Fresh PLANNED productions, numbered base to base + POOL - 1; not logged: nobody asks for how they came. */
let base = 1000000;

async function pool()
{
	const from = base;

	base += POOL;
	await sql('alter table dapur.production disable trigger user');
	await sql(`insert into dapur.production (sppg_id, id, program_id, menu_id, batch_number, production_date,
	        planned_portions, head_cook, planned_start_time, planned_end_time, estimated_cost, created_by)
	    select 'bench-' || lpad((n % ${KITCHENS})::text, 2, '0'), n::text, '1', (1 + n % 10)::text, 'POOL-' || n,
	        '2026-05-15', 500, '1', '2026-05-15 01:00Z', '2026-05-15 05:00Z', 5000000, '1'
	    from generate_series($1::int, $2::int) n`, [from, base - 1]);
	await sql('alter table dapur.production enable trigger user');
	return from;
}

/** The same state for every round: no dirty pages, nothing to vacuum. */
async function settle()
{
	await sql('vacuum analyze dapur.production, dapur.tenant_head, dapur.production_month, dapur.event');
	await superSql('checkpoint');
}

async function ours(kind, seconds, tokens)
{
	const tags = [];
	const range = kind === 'status' ? [await pool()] : [];

	if (range.length)
		range.push(range[0] + POOL - 1);
	for (const token of tokens) {
		const reply = kind === 'unchanged' &&
			await fetch(`${url}/api/production?limit=20`, { headers: { cookie: `dapur_session=${token}` } });

		tags.push(reply ? `${token} ${reply.headers.get('etag')}` : token);
	}
	writeFileSync(`${work}/kitchens`, tags.join('\n') + '\n');
	await settle();
	const before = cpu();
	const { stdout } = await program('wrk', ['-t2', `-c${CONNECTIONS}`, `-d${seconds}s`, '--timeout', '10s', '-s',
		new URL('load.lua', import.meta.url).pathname, url, '--', kind, `${work}/kitchens`, origin, ...range]);
	const used = since(before);
	const result = JSON.parse(stdout.match(/^RESULT (.*)$/m)[1]);

	return { ...result, rate: result.requests / result.seconds, cpu: used,
		cpu_ms: Object.fromEntries(Object.entries(used).map(([name, t]) => [name, t / result.requests])) };
}

async function theirs(kind, seconds)
{
	const { sets, name, params, write, need } = kinds[kind];
	const file = `${work}/${kind}.pgbench`;
	const args = ['-n', '-M', 'prepared', '-c', CLIENTS, '-j', 2, '-T', seconds, '-f', file];
	const defined = { ...variables, need };

	if (kind === 'status')
		defined.base = await pool();
	writeFileSync(file, script({ sets, name, params, write }));
	for (const [variable, value] of Object.entries(defined))
		args.push('-D', `${variable}=${value}`);
	await settle();
	const before = cpu();
	const { stdout, stderr } = await program('pgbench', args, { env: pgEnv() });
	const used = since(before);
	const transactions = Number(stdout.match(/actually processed: (\d+)/)[1]);

	if (/error|aborted/i.test(stderr))
		throw new Error(`pgbench: ${stderr}`);
	return { rate: Number(stdout.match(/tps = ([\d.]+)/)[1]), latency_ms: Number(stdout.match(/latency average = ([\d.]+)/)[1]),
		transactions, pg_ms: used.postgres / transactions };
}

/** As the actions: their role, their socket, their settings. */
function pgEnv()
{
	const app = new URL(process.env.APP_DATABASE_URL);

	return { ...process.env, PGHOST: `${process.env.DAPUR_RUN}/pg`, PGPORT: app.port, PGUSER: app.username,
		PGPASSWORD: app.password, PGDATABASE: 'dapur', PGSSLMODE: 'disable', PGGSSENCMODE: 'disable',
		PGOPTIONS: '-c timezone=UTC -c statement_timeout=3000 -c plan_cache_mode=force_generic_plan' };
}

/** out: a row per kind. */
export async function actions({ seconds, rounds, only, tokens })
{
	const rows = [];

	for (const kind of only) {
		const a = [];
		const b = [];

		for (let i = 0; i < rounds; i++) {
			a.push(await ours(kind, seconds, tokens));
			if (kind !== 'unchanged')
				b.push(await theirs(kind, seconds));
		}
		const of = (list, get) => list.length ? median(list.map(get)) : null;
		const ownCpu = (r) => (r.cpu_ms.api ?? 0) + (r.cpu_ms.nginx ?? 0) + (r.cpu_ms.redis ?? 0);

		rows.push({ kind, rate: of(a, (r) => r.rate), pgbench: of(b, (r) => r.rate),
			ratio: b.length ? median(a.map((r, i) => r.rate / b[i].rate)) : null,
			p50_ms: of(a, (r) => r.p50_ms), p99_ms: of(a, (r) => r.p99_ms),
			max_ms: Math.max(...a.map((r) => r.max_ms)), errors: a.reduce((n, r) => n + r.errors, 0),
			pg_cpu_ms: of(a, (r) => r.cpu_ms.postgres), pgbench_pg_cpu_ms: of(b, (r) => r.pg_ms),
			own_cpu_ms: of(a, ownCpu), api_cpu_ms: of(a, (r) => r.cpu_ms.api), nginx_cpu_ms: of(a, (r) => r.cpu_ms.nginx),
			redis_cpu_ms: of(a, (r) => r.cpu_ms.redis), relay_cpu_ms: of(a, (r) => r.cpu_ms.relay ?? 0) });
		process.stdout.write(`    ${kind}: ${n0(rows.at(-1).rate)}/s, pgbench ${n0(rows.at(-1).pgbench ?? 0)}/s, ` +
			`ratios ${a.map((r, i) => b[i] ? (r.rate / b[i].rate).toFixed(2) : '-').join(' ')}, ` +
			`p50 ${ms(rows.at(-1).p50_ms)} p99 ${ms(rows.at(-1).p99_ms)} max ${ms(rows.at(-1).max_ms)} ms, ` +
			`${rows.at(-1).errors} errors; cpu ms: postgres ${rows.at(-1).pg_cpu_ms.toFixed(3)} ` +
			`(pgbench's ${rows.at(-1).pgbench_pg_cpu_ms?.toFixed(3)}), api ${rows.at(-1).api_cpu_ms.toFixed(3)}, ` +
			`nginx ${rows.at(-1).nginx_cpu_ms.toFixed(3)}, redis ${rows.at(-1).redis_cpu_ms.toFixed(3)}\n`);
	}
	return rows;
}

export const head = ['through nginx, 32 connections', 'a second', 'pgbench, same statements', 'ratio', 'p50 ms', 'p99 ms',
	'max ms', 'errors', 'PostgreSQL CPU ms', 'pgbench: PostgreSQL CPU ms', 'our CPU ms'];

const names = { create: 'create', list: 'list of 20', unchanged: 'list of 20, unchanged (304)', status: 'status' };

export const row = (r) => [names[r.kind], n0(r.rate), r.pgbench ? n0(r.pgbench) : '', r.ratio ? r.ratio.toFixed(2) : '',
	ms(r.p50_ms), ms(r.p99_ms), ms(r.max_ms), r.errors, r.pg_cpu_ms.toFixed(3), r.pgbench_pg_cpu_ms?.toFixed(3) ?? '',
	r.own_cpu_ms.toFixed(3)];
