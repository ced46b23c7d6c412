/*
 * The processes of the stack, by the NAME.pid files of `./dev`. Stopping one
 * is undone at the end of the file even when its test fails.
 */
import { execFile, spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { env } from './env.js';
import { atEnd } from './suite.js';

/** The process id in DAPUR_RUN/NAME.pid. */
export function pidOf(name)
{
	return Number(readFileSync(join(env.DAPUR_RUN, `${name}.pid`), 'utf8').trim());
}

/** The names that have a pid file. */
export function programs()
{
	return readdirSync(env.DAPUR_RUN)
		.filter((file) => file.endsWith('.pid'))
		.map((file) => file.slice(0, -4));
}

/** SIGSTOP a program of the stack; returns the function that continues it. */
export function pause(name)
{
	const pid = pidOf(name);
	let stopped = true;
	const resume = () => {
		if (stopped)
			process.kill(pid, 'SIGCONT');
		stopped = false;
	};

	process.kill(pid, 'SIGSTOP');
	process.once('exit', resume);
	atEnd(resume);
	return resume;
}

/** Run one of our programs; resolves with { code, stdout, stderr }. */
export function run(program, args = [], options = {})
{
	return new Promise((resolve, reject) => {
		execFile(join(env.DAPUR_BIN, program), args, {
			env: { PATH: process.env.PATH, DAPUR_CONF: env.DAPUR_CONF },
			timeout: 60_000, maxBuffer: 16 << 20, ...options,
		}, (error, stdout, stderr) => {
			if (error && typeof error.code !== 'number')
				reject(error);
			else
				resolve({ code: error?.code ?? 0, stdout, stderr });
		});
	});
}

/** Start one of our programs with pipes; it is killed at the end. */
export function start(program, args, environment)
{
	const child = spawn(join(env.DAPUR_BIN, program), args, {
		env: environment, stdio: ['pipe', 'pipe', 'pipe'],
	});
	child.exited = new Promise((resolve) => {
		child.once('exit', (code, signal) => resolve({ code, signal }));
	});
	child.stdin.on('error', () => {});
	atEnd(() => {
		if (child.exitCode === null && child.signalCode === null)
			child.kill('SIGKILL');
	});
	return child;
}
