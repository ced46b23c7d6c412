/* The systemd units: correct, and tight. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, describe, test } from 'node:test';

const units = fileURLToPath(new URL('../../../etc/systemd/', import.meta.url));
const there = spawnSync('systemd-analyze', ['--version']).status === 0;
const built = process.env.DAPUR_BIN ?? '';
const skip = there && built ? false : 'systemd-analyze or the built programs are not there';

describe('systemd units', { skip: process.env.CI === 'true' ? false : skip }, () => {
	const folder = mkdtempSync(join(tmpdir(), 'dapur-units-'));
	after(() => rmSync(folder, { recursive: true }));

	/* verify looks for the programs: those of the build directory */
	for (const name of readdirSync(units).filter((file) => /\.(service|socket)$/.test(file)))
		writeFileSync(join(folder, name), readFileSync(join(units, name), 'utf8')
			.replaceAll(/\/usr\/local\/libexec\/dapur\/(\w+\.fcgi)/g, `${built}/cgi-bin/$1`)
			.replaceAll('/usr/local/libexec/dapur/dapur-stream', `${built}/ws/dapur-stream`)
			.replaceAll('/usr/local/sbin/', `${built}/`));
	const files = readdirSync(folder).map((name) => join(folder, name));

	test('systemd-analyze verify finds nothing', () => {
		const r = spawnSync('systemd-analyze', ['verify', '--man=no', ...files], { encoding: 'utf8' });
		assert.equal(r.status, 0, r.stderr);
		assert.ok(!r.stderr.includes(folder), r.stderr);
	});

	for (const file of files.filter((name) => name.endsWith('.service')))
		test(`systemd-analyze security: ${file.split('/').pop()}`, () => {
			const text = execFileSync('systemd-analyze', ['security', '--offline=yes', file], { encoding: 'utf8' });
			const exposure = Number(/exposure level for [^:]*: ([\d.]+)/.exec(text)[1]);
			assert.ok(exposure <= 2, text);
		});
});
