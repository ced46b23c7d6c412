/*
 * suite(): one describe() per test file, with the stack locked against other
 * files and everything opened through lib/ closed at the end.
 *
 * Files that stop a part of the stack (Redis, say) ask for it exclusively;
 * all others share it. The lock is a file's, held by a child of ours: so it
 * holds between processes, falls with them, and outlives what a file stops.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { env, missing } from './env.js';

const closers = [];

/** Close `fn` when the file is done; last opened, first closed. */
export function atEnd(fn)
{
	closers.push(fn);
}

/* Gives the child that holds the lock until its input ends, be it by our own end. */
async function hold(exclusive)
{
	const child = spawn('flock', [exclusive ? '-x' : '-s', join(env.DAPUR_RUN, 'tests.lock'),
	    'sh', '-c', 'echo; exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });

	await once(child.stdout, 'data');
	return child;
}

/**
 * Describe what one file tests.
 *
 * in     name, { exclusive: true } when the file stops parts of the stack
 * skips  when the stack is not there, unless CI=true: then it fails
 */
export function suite(name, options, body)
{
	if (typeof options === 'function')
		[options, body] = [{}, options];
	if (missing.length > 0 && process.env.CI === 'true')
		throw new Error(`not set: ${missing.join(' ')} (run this by ./dev test)`);

	const skip = missing.length > 0
		? `not set: ${missing.join(' ')} (run this by ./dev test)` : false;

	describe(name, { skip, timeout: 300_000, concurrency: options.concurrency }, () => {
		let lock;

		before(async () => {
			lock = await hold(options.exclusive);
		});
		after(async () => {
			for (const close of closers.splice(0).reverse())
				await close();
			lock?.stdin.end();
		});
		body();
	});
}
