/*
 * The services of the stack, stopped and started as a person does by ./dev,
 * and the processes below them. What a file stops is started at its end.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pidOf } from './proc.js';
import { children } from './procfs.js';
import { atEnd } from './suite.js';

export { alive, children } from './procfs.js';

const dev = process.env.DAPUR_DEV || fileURLToPath(new URL('../../dev', import.meta.url));

/** ./dev start|stop|restart NAME... */
export async function service(what, ...names)
{
	if (what === 'stop')
		atEnd(() => service('start', ...names));
	await promisify(execFile)(dev, [what, ...names], { timeout: 90_000 });
}

/** The pids of what a service supervises: workers, streams, backends. */
export const workers = (name) => children(pidOf(name)).map((child) => child.pid);

/* False when the process is gone. */
function send(pid, signal)
{
	try {
		return process.kill(pid, signal);
	} catch {
		return false;
	}
}

/** SIGSTOP processes; gives the function that continues them, which also runs at the end. */
export function freeze(pids)
{
	let frozen = pids.filter((pid) => send(pid, 'SIGSTOP'));
	const thaw = () => {
		frozen.forEach((pid) => send(pid, 'SIGCONT'));
		frozen = [];
	};

	process.once('exit', thaw);
	atEnd(thaw);
	return thaw;
}
