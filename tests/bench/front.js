/*
 * What of a cheap authenticated GET is each front's own cost: GET /api/session beside a hello-world FastCGI program, both
 * behind the same site file with as many workers; rounds of both in turn.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { markdown, median, ms, n0, origin, program, run, sessions, work } from './lib.js';

/* Those with a pool beside them; the others start the program themselves. */
const pooled = ['nginx', 'apache', 'lighttpd'];
const fronts = [...pooled, 'fcgid', 'cgi'];

async function load(base, connections, seconds)
{
	const { stdout } = await program('wrk', ['-t2', `-c${connections}`, `-d${seconds}s`, '-s',
		new URL('load.lua', import.meta.url).pathname, base, '--', 'session', `${work}/kitchens`, origin]);
	const result = JSON.parse(stdout.match(/^RESULT (.*)$/m)[1]);

	return { ...result, rate: result.requests / result.seconds };
}

/** `./dev web` until stop(). */
async function start(...args)
{
	const child = spawn(new URL('../../dev', import.meta.url).pathname, ['web', ...args, '--until-eof'],
		{ stdio: ['pipe', 'pipe', 'inherit'] });
	const [line] = await Promise.race([once(createInterface(child.stdout), 'line'),
		once(child, 'exit').then(() => Promise.reject(new Error(`./dev web ${args.join(' ')} ended`)))]);

	return { base: line.split(' ')[0], stop: () => (child.stdin.end(), once(child, 'exit')) };
}

/* What stands where api.fcgi and events.fcgi do. */
async function hello()
{
	const dir = `${work}/hello`;

	mkdirSync(dir, { recursive: true });
	await program('cc', ['-O2', '-o', `${dir}/api.fcgi`, new URL('hello.c', import.meta.url).pathname, '-lfcgi']);
	copyFileSync(`${dir}/api.fcgi`, `${dir}/events.fcgi`);
	return dir;
}

async function one(name, args, { programs, seconds, rounds })
{
	const [a, b] = [await start(name, ...args), await start(name, ...args, `--programs=${programs}`)];
	const connections = name === 'cgi' ? 4 : 32;	/* each is a process */
	const ours = [];
	const theirs = [];

	try {
		for (const { base } of [a, b])
			await load(base, connections, 1);
		for (let i = 0; i < rounds; i++) {
			ours.push(await load(a.base, connections, seconds));
			theirs.push(await load(b.base, connections, seconds));
		}
	} finally {
		await Promise.all([a.stop(), b.stop()]);
	}
	return { name, connections, rate: median(ours.map((r) => r.rate)), hello: median(theirs.map((r) => r.rate)),
		ratio: median(ours.map((r, i) => r.rate / theirs[i].rate)),
		p99_ms: median(ours.map((r) => r.p99_ms)), hello_p99_ms: median(theirs.map((r) => r.p99_ms)),
		errors: [...ours, ...theirs].reduce((sum, r) => sum + r.errors, 0) };
}

export async function measure({ seconds, rounds })
{
	const pool = readFileSync(`/proc/${readFileSync(`${run}/api.pid`, 'latin1').trim()}/cmdline`, 'latin1').split('\0');
	const workers = `--pool=${pool[pool.indexOf('-f') + 1]}`;
	const programs = await hello();
	const results = [];

	writeFileSync(`${work}/kitchens`, `${(await sessions()).join('\n')}\n`);
	for (const name of fronts)
		results.push(await one(name, pooled.includes(name) ? [workers] : [], { programs, seconds, rounds }));
	return results;
}

export const table = (results) => markdown(
	['GET /api/session behind', 'connections', 'a second', 'hello-world', 'ratio', 'p99 ms', 'its p99', 'errors, time-outs'],
	results.map((f) => [f.name, f.connections, n0(f.rate), n0(f.hello), f.ratio.toFixed(2), ms(f.p99_ms), ms(f.hello_p99_ms), f.errors]));
