/*
 * Bugs on purpose, to see that the checker catches them. None is a switch in
 * the programs: the harness takes away what mends things, or builds a copy
 * of the tree with one line changed, under var/.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * without  services that stay stopped for the whole run
 * kinds    the faults dealt (all others would only blur what is shown)
 * last     how the last act of each kitchen loses its publication
 * change   [pattern, replacement], in a copy of the tree, of the one line of src/ that fits
 */
export const plants = {
	'skip-publish': {
		what: 'publishing is skipped at random, and there is no relay',
		without: ['relay'],
		kinds: ['redis-deny', 'stream-kill', 'events-kill', 'redis-cut-pubsub'],
		last: 'denied',
	},
	'relay-off': {
		what: 'workers are killed between COMMIT and PUBLISH, and there is no relay',
		without: ['relay'],
		kinds: ['api-commit-kill', 'api-kill', 'stream-kill', 'events-kill'],
		last: 'killed',
	},
	'no-hole-check': {
		what: 'the feed delivers what comes next without looking for a hole',
		kinds: ['redis-deny', 'api-commit-kill', 'relay-stop', 'redis-cut-pubsub'],
		last: 'denied',
		change: [/c->at\.seq \+ 1 != l->seq/, 'c->at.seq >= l->seq'],
	},
	'no-order-check': {
		what: 'the feed delivers again what it has delivered',
		kinds: ['redis-cut-pubsub', 'redis-deny', 'api-commit-kill', 'relay-kill'],
		change: [/c->at\.seq \+ 1 != l->seq/, 'c->at.seq + 1 < l->seq'],
	},
	'no-idempotency': {
		what: 'the Idempotency-Key of a request is not looked at',
		kinds: ['api-kill', 'api-commit-kill', 'nginx-kill', 'api-stop'],
		change: [/s->key = key;/, '(void)key;'],
	},
};

/** A copy of the tree with the change in it; gives its ./dev. */
export async function variant(top, folder, [pattern, replacement])
{
	const run = promisify(execFile);
	const source = (name) => readFileSync(join(top, 'src', name), 'utf8');
	const files = readdirSync(join(top, 'src')).filter((name) => name.endsWith('.c')
	    && pattern.test(source(name)));

	if (files.length !== 1 || source(files[0]).split(pattern).length !== 2)
		throw new Error(`src/ has not exactly one ${pattern}: the planted bug needs another place`);
	mkdirSync(folder, { recursive: true });
	await run('sh', ['-c', `tar -C "$1" --exclude=./var --exclude=./.git --exclude=node_modules \
	    --exclude=./autom4te.cache -cf - . | tar -C "$2" -xf -`, 'sh', top, folder]);
	/* What an earlier plant changed is as it was, and has to be compiled again. */
	const note = join(folder, '.planted'), now = new Date();
	if (existsSync(note))
		utimesSync(join(folder, 'src', readFileSync(note, 'utf8')), now, now);
	writeFileSync(note, files[0]);
	writeFileSync(join(folder, 'src', files[0]), source(files[0]).replace(pattern, replacement));
	return join(folder, 'dev');
}
