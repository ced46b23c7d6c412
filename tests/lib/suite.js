/*
 * suite(): one describe() per test file, with the stack locked against other
 * files and everything opened through lib/ closed at the end.
 *
 * Files that stop a part of the stack (Redis, say) ask for it exclusively;
 * all others share it. The lock is PostgreSQL's, so it also holds between
 * processes and falls with them.
 */
import { after, before, describe } from 'node:test';
import pg from 'pg';
import { env, missing } from './env.js';

const LOCK = 0x44415055;	/* "DAPU" */
const closers = [];

/** Close `fn` when the file is done; last opened, first closed. */
export function atEnd(fn)
{
	closers.push(fn);
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

	describe(name, { skip, timeout: 300_000 }, () => {
		let lock;

		before(async () => {
			lock = new pg.Client({ connectionString: env.DATABASE_URL });
			lock.on('error', () => {});
			await lock.connect();
			await lock.query(options.exclusive
				? 'SELECT pg_advisory_lock($1)'
				: 'SELECT pg_advisory_lock_shared($1)', [LOCK]);
		});
		after(async () => {
			for (const close of closers.splice(0).reverse())
				await close();
			await lock?.end();
		});
		body();
	});
}
