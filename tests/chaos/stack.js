/*
 * A private stack of ./dev, and what may be done to it: by the pid files of
 * its services and the children of these processes, nothing else.
 */
import { execFile, spawn } from 'node:child_process';
import { openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Redis from 'ioredis';
import pg from 'pg';
import { alive, children } from '../lib/procfs.js';

export const services = ['postgres', 'redis', 'api', 'events', 'relay', 'websocketd', 'nginx'];
const COMMAND_MS = 240_000;	/* ./dev up may have to build */

/* pid 0 is a service that is not there. */
const childrenOf = (pid) => (pid ? children(pid) : []);

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

export class Stack {
	/**
	 * in   dev      the ./dev to call
	 *      varDir   its DAPUR_VAR
	 *      conf     lines for dapur.conf beyond what ./dev writes
	 *      without  services that stay stopped
	 */
	constructor({ dev, varDir, conf, without = [] })
	{
		Object.assign(this, { dev, varDir, conf, without });
		this.env = {};
		this.stopped = new Map();	/* pid -> how many SIGSTOPs of ours are on it */
	}

	run(...args)
	{
		const env = { ...process.env, DAPUR_VAR: this.varDir, PORT: '0', DAPUR_EXTRA_CONF: this.conf };

		for (const name of ['DAPUR_BUILD_DIR', 'CC', 'CFLAGS', 'DAPUR_CONFIGURE', 'NODE_TEST_CONTEXT'])
			delete env[name];
		if (this.build)
			env.DAPUR_BUILD_DIR = this.build;
		return new Promise((resolve, reject) => {
			execFile(this.dev, args, { env, timeout: COMMAND_MS, maxBuffer: 8 << 20 },
			    (error, stdout, stderr) => {
				if (error)
					reject(new Error(`./dev ${args.join(' ')}: ${stderr || stdout || error}`));
				else
					resolve(stdout);
			});
		});
	}

	/** A fresh one: what an earlier run left must not decide anything. */
	async up({ reuse = false, build } = {})
	{
		this.build = build;
		await this.run('down');
		if (!reuse)
			rmSync(this.varDir, { recursive: true, force: true });
		await this.run('up', '--detach');
		for (const line of (await this.run('env')).split('\n')) {
			const at = line.indexOf('=');
			if (at > 0)
				this.env[line.slice(0, at)] = line.slice(at + 1);
		}
		for (const name of this.without)
			await this.run('stop', name);
	}

	/** A second relay, which takes over when the first one is gone; started again when it ends. */
	standby()
	{
		const log = openSync(join(this.varDir, 'log', 'standby.log'), 'a');

		this.second = spawn(join(this.env.DAPUR_BIN, 'dapur-relay'), ['-c', this.env.DAPUR_CONF],
		    { stdio: ['ignore', log, log] });
		this.second.on('exit', () => {
			if (!this.ending)
				setTimeout(() => this.ending || this.standby(), 500);
		});
	}

	async down()
	{
		this.ending = true;
		this.second?.kill();
		for (const pid of this.stopped.keys())
			this.signal(pid, 'SIGCONT');
		await this.run('down');
	}

	pid(name)
	{
		try {
			return Number(readFileSync(join(this.env.DAPUR_RUN, `${name}.pid`), 'utf8'));
		} catch {
			return 0;
		}
	}

	alive(name)
	{
		const pid = this.pid(name);

		return pid > 0 && alive(pid);
	}

	/** The pids of what a service supervises: workers, streams, backends. */
	workers(name) { return childrenOf(this.pid(name)).map((c) => c.pid); }

	/** The helpers by which streams ask PostgreSQL. */
	helpers()
	{
		return [...this.workers('events'), ...this.workers('websocketd')]
			.flatMap(childrenOf)
			.filter((c) => / ask /.test(c.command)).map((c) => c.pid);
	}

	/** PostgreSQL's processes that serve somebody. */
	backends()
	{
		return childrenOf(this.pid('postgres'))
			.filter((c) => /^postgres: dapur_/.test(c.command)).map((c) => c.pid);
	}

	signal(pid, name)
	{
		try {
			process.kill(pid, name);
			return true;
		} catch {
			return false;
		}
	}

	kill(pids, name = 'SIGKILL') { return pids.filter((pid) => this.signal(pid, name)).length; }

	/** SIGSTOP for a while; SIGCONT when nobody else of us holds it. */
	async hold(pids, ms)
	{
		const held = pids.filter((pid) => pid > 0 && this.signal(pid, 'SIGSTOP'));

		for (const pid of held)
			this.stopped.set(pid, (this.stopped.get(pid) ?? 0) + 1);
		await sleep(ms);
		for (const pid of held) {
			const n = this.stopped.get(pid) - 1;
			if (n > 0) {
				this.stopped.set(pid, n);
				continue;
			}
			this.stopped.delete(pid);
			this.signal(pid, 'SIGCONT');
		}
		return held.length;
	}

	/** Start what is not running, as ./dev does. */
	async start(name)
	{
		if (!this.without.includes(name))
			await this.run('start', name);
	}

	async heal()
	{
		for (const name of services)
			if (!this.alive(name))
				await this.start(name);
	}

	/** What fn(client) gives, over a connection of its own. */
	async redis(fn)
	{
		const client = new Redis(this.env.REDIS_URL, {
			lazyConnect: true, retryStrategy: null, connectTimeout: 1000,
			commandTimeout: 3000, maxRetriesPerRequest: 0, enableReadyCheck: false,
		});

		client.on('error', () => {});
		try {
			await client.connect();
			return await fn(client);
		} finally {
			client.disconnect();
		}
	}

	/** The rows of one statement run by the owner, over a connection of its own. */
	async sql(text, values)
	{
		const client = new pg.Client({
			connectionString: this.env.DATABASE_URL,
			connectionTimeoutMillis: 2000, query_timeout: 60_000,
		});

		client.on('error', () => {});
		try {
			await client.connect();
			return (await client.query(text, values)).rows;
		} finally {
			client.end().catch(() => {});
		}
	}

	/** As sql(), again and again until PostgreSQL answers; only for what may run twice. */
	async sqlUntilDone(text, values, ms = 60_000)
	{
		const end = Date.now() + ms;

		for (;;) {
			try {
				return await this.sql(text, values);
			} catch (error) {
				if (Date.now() > end || /^(22|23|42)/.test(error.code ?? ''))
					throw error;
				await sleep(100);
			}
		}
	}
}
