/*
 * What of a cheap authenticated GET is the front's own cost: GET /api/session beside a hello-world FastCGI program,
 * behind a second nginx with the same site file and as many workers; rounds of both in turn.
 */
import { readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { beside, cpu, markdown, median, ms, n0, origin, program, run, sessions, since, sleep, url, work } from './lib.js';

const dir = `${process.env.DAPUR_VAR}/nginx`;

async function load(base, tokens, seconds)
{
	writeFileSync(`${work}/kitchens`, tokens.join('\n') + '\n');
	const { stdout } = await program('wrk', ['-t2', '-c32', `-d${seconds}s`, '-s',
		new URL('load.lua', import.meta.url).pathname, base, '--', 'session', `${work}/kitchens`, origin]);
	const result = JSON.parse(stdout.match(/^RESULT (.*)$/m)[1]);

	return { ...result, rate: result.requests / result.seconds };
}

export async function measure({ seconds, rounds })
{
	const port = Number(new URL(url).port) + 1;
	const site = readFileSync(`${dir}/site.conf`, 'utf8')
		.replace(`unix:${run}/api.sock`, `unix:${work}/hello.sock`).replace(/listen 127\.0\.0\.1:\d+;/, `listen 127.0.0.1:${port};`);
	const workers = readFileSync(`/proc/${readFileSync(`${run}/api.pid`, 'latin1').trim()}/cmdline`, 'latin1').split('\0');
	const n = workers[workers.indexOf('-f') + 1];
	const tokens = await sessions();

	mkdirSync(`${work}/nginx`, { recursive: true });
	writeFileSync(`${work}/nginx/site.conf`, site);
	writeFileSync(`${work}/nginx/nginx.conf`, readFileSync(`${dir}/nginx.conf`, 'utf8').replaceAll(dir, `${work}/nginx`)
		.replace('/access.log', '/access-hello.log'));
	await program('cc', ['-O2', '-o', `${work}/hello`, new URL('hello.c', import.meta.url).pathname, '-lfcgi']);
	const pool = beside('spawn-fcgi', ['-n', '-s', `${work}/hello.sock`, '-b', '1024', '--',
		'/usr/bin/multiwatch', '-f', n, '--', `${work}/hello`]);
	const nginx = beside('nginx', ['-e', 'stderr', '-c', `${work}/nginx/nginx.conf`], { stdio: 'ignore' });
	const ours = [];
	const hello = [];
	let used;

	try {
		await sleep(700);
		for (let i = 0; i < rounds; i++) {
			const before = cpu();

			ours.push(await load(url, tokens, seconds));
			used = since(before);
			hello.push(await load(`http://127.0.0.1:${port}`, tokens, seconds));
		}
	} finally {
		nginx.kill();
		pool.kill();
	}
	const last = ours.at(-1).requests;

	return { workers: Number(n), rate: median(ours.map((r) => r.rate)), hello: median(hello.map((r) => r.rate)),
		ratio: median(ours.map((r, i) => r.rate / hello[i].rate)), errors: [...ours, ...hello].reduce((s, r) => s + r.errors, 0),
		p99_ms: median(ours.map((r) => r.p99_ms)), hello_p99_ms: median(hello.map((r) => r.p99_ms)),
		pg_cpu_ms: used.postgres / last, api_cpu_ms: used.api / last, nginx_cpu_ms: used.nginx / last };
}

export const table = (f) => markdown(['behind nginx, 32 connections', 'a second', 'p99 ms'], [
	['GET /api/session', n0(f.rate), ms(f.p99_ms)],
	['hello-world FastCGI program', n0(f.hello), ms(f.hello_p99_ms)],
	['ratio', f.ratio.toFixed(2), ''],
	['CPU of a request: PostgreSQL, worker, nginx (ms)', [f.pg_cpu_ms, f.api_cpu_ms, f.nginx_cpu_ms].map((x) => x.toFixed(3)).join(', '), `${f.errors} errors`]]);
