/* What /proc tells of processes, whoever started them. */
import { readFileSync, readdirSync } from 'node:fs';

/* The fields of /proc/PID/stat after the name: state, parent... */
function stat(pid)
{
	try {
		const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
		return text.slice(text.lastIndexOf(')') + 2).split(' ');
	} catch {
		return undefined;
	}
}

/** Whether a process is there and no zombie. */
export const alive = (pid) => !['Z', undefined].includes(stat(pid)?.[0]);

/** The live children of a process: [{ pid, command }]. */
export function children(parent)
{
	return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).flatMap((entry) => {
		const fields = stat(entry);
		if (!fields || fields[0] === 'Z' || Number(fields[1]) !== parent)
			return [];
		try {
			return [{ pid: Number(entry),
			    command: readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() }];
		} catch {
			return [];
		}
	});
}
