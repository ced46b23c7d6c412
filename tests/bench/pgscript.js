/*
 * A pgbench script from the named statements of sql/queries, so that what it measures cannot drift from what the
 * actions send: dapur.enter(), the statement, and for writes the events read back, in one pipeline.
 */
import { readFileSync, readdirSync } from 'node:fs';

const dir = new URL('../../sql/queries/', import.meta.url);
const texts = new Map();

for (const file of readdirSync(dir).filter((name) => name.endsWith('.sql')))
	for (const block of readFileSync(new URL(file, dir), 'utf8').split(/^-- name:/m).slice(1)) {
		const [name, ...lines] = block.split('\n');

		texts.set(name.trim(), lines.filter((line) => !/^\s*--/.test(line)).join('\n').trim().replace(/;$/, ''));
	}

/** Statement `name` with its parameters as pgbench's variables. pgbench has no NULL to send: it stands in the text. */
function statement(name, params)
{
	if (!texts.has(name))
		throw new Error(`no statement ${name} in sql/queries`);
	return `${texts.get(name).replace(/\$(\d+)/g, (_, n) => params[n - 1] ?? 'NULL')};`;
}

/** in: lines of \set, the permission's variable, the statement and its parameters, whether it writes. */
export const script = ({ sets, name, params, write }) => [
	...sets,
	'\\startpipeline',
	statement('enter', [':session', ':need']),
	statement(name, params),
	...write ? [statement('tx_events', [])] : [],
	'\\endpipeline', ''].join('\n');
