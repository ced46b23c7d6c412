/* The stack's settings file with some of its keys changed. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from './env.js';
import { atEnd } from './suite.js';

/** Write such a file; gives its path. It goes at the end of the test file. */
export function settings(changes)
{
	const folder = mkdtempSync(join(tmpdir(), 'dapur-test-'));
	const file = join(folder, 'dapur.conf');
	const kept = readFileSync(env.DAPUR_CONF, 'utf8').split('\n')
		.filter((line) => !(line.split('=')[0].trim() in changes));

	writeFileSync(file, [...kept, ...Object.entries(changes)
		.map(([key, value]) => `${key} = ${value}`), ''].join('\n'), { mode: 0o600 });
	atEnd(() => rmSync(folder, { recursive: true }));
	return file;
}
