/*
 * One web server beside the running stack, as `./dev web NAME` starts it: its site file as people copy it, but
 * for paths and ports. It ends with the file, or with this process.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { env } from '../../lib/env.js';
import { atEnd } from '../../lib/suite.js';
import { within } from '../../lib/wait.js';

const dev = process.env.DAPUR_DEV || fileURLToPath(new URL('../../../dev', import.meta.url));

/** Start one; gives { url, wsUrl, pid, folder, log(), end() }. */
export async function startFront(name, ...options)
{
	const child = spawn(dev, ['web', name, '--until-eof', ...options],
	    { stdio: ['pipe', 'pipe', 'pipe'] });
	let out = '', log = '';

	child.stdin.on('error', () => {});
	child.stderr.on('data', (chunk) => { log += chunk; });
	const exited = new Promise((resolve) => { child.once('exit', resolve); });
	const end = () => {
		child.stdin.end();
		return within(20_000, `end of ${name}`, exited);
	};
	atEnd(end);
	await within(60_000, () => `start of ${name}: ${log}`, new Promise((resolve, reject) => {
		child.stdout.on('data', (chunk) => {
			out += chunk;
			if (out.includes('\n'))
				resolve();
		});
		exited.then(() => reject(new Error(`${name} did not start: ${log}`)));
	}));
	const [url, pid, folder] = out.trim().split(' ');
	return { name, url, wsUrl: `${url.replace('http', 'ws')}/api/ws`, pid: Number(pid), folder, end,
	    log: () => log };
}

/** The stack itself when it runs behind websocketd alone or this very front. */
export const stackFront = { url: env.URL, wsUrl: env.WS_URL };
