/* A short run of ./dev chaos, on a stack of its own. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

test('half a minute of chaos loses nothing', { timeout: 300_000 }, async () => {
	const child = spawn(process.execPath, [join(here, 'run.js'), '--seed=7', '--minutes=0.6',
	    `--var=${join(here, '../../var/test-chaos')}`], { stdio: ['ignore', 'pipe', 'pipe'] });
	let said = '';

	child.stdout.on('data', (text) => { said += text; });
	child.stderr.on('data', (text) => { said += text; });
	process.once('exit', () => child.kill());
	const code = await new Promise((resolve) => { child.once('close', resolve); });
	console.log(said);
	assert.equal(code, 0, said);
	assert.match(said, /nothing lost, nothing twice, nothing foreign/);
});
