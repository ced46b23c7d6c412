/*
 * The order of a run, its tables, and where the figures are kept: a line of JSON per run in var/bench/results.
 */
import { appendFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { endSql, markdown, program, sessions } from './lib.js';

const { values: given } = parseArgs({ options: {
	seconds: { type: 'string', default: '5' },
	rounds: { type: 'string', default: '3' },
	only: { type: 'string' },
	streams: { type: 'string' },
} });
const wanted = (name) => given.streams ? false : !given.only || given.only.split(',').includes(name);
const tables = [];
let bad = false;
const figures = { at: new Date().toISOString(), cpu: cpus()[0].model, cores: availableParallelism(),
	seconds: Number(given.seconds), rounds: Number(given.rounds),
	commit: (await program('git', ['rev-parse', '--short', 'HEAD'], { cwd: import.meta.dirname }).catch(() => ({ stdout: '' })))
		.stdout.trim() };

/* lists first: creates make them longer */
const kinds = ['list', 'unchanged', 'create', 'status'].filter(wanted);

if (kinds.length) {
	const { actions, head, row } = await import('./actions.js');

	figures.actions = await actions({ seconds: figures.seconds, rounds: figures.rounds, only: kinds, tokens: await sessions() });
	tables.push(markdown(head, figures.actions.map(row)));
}
for (const name of ['screen', 'front', 'memory']) {
	if (!wanted(name))
		continue;
	const { measure, table, failed } = await import(`./${name}.js`);

	figures[name] = await measure({ seconds: figures.seconds, rounds: figures.rounds });
	tables.push(table(figures[name]));
	bad ||= failed?.(figures[name]) ?? false;
}
if (given.streams) {
	const { measure, table } = await import('./streams.js');

	figures.streams = await measure({ streams: Number(given.streams) });
	tables.push(table(figures.streams));
}
await endSql();
appendFileSync(`${process.env.BENCH_RESULTS}/${figures.at.slice(0, 10)}.jsonl`, `${JSON.stringify(figures)}\n`);
console.log(`\n${figures.cpu}, ${figures.cores} cores, commit ${figures.commit}, ${figures.at}\n`);
console.log(tables.join('\n\n'));
process.exit(bad || figures.actions?.some((r) => r.errors) ? 1 : 0);
