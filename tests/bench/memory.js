/*
 * Private memory (USS) of one dapur-stream, as built and linked the other way from the same objects. Twenty run at a
 * time, as they do under websocketd, each has passed events on; the largest of them counts.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { bin, markdown, origin, program, sessions, smaps, Tally, url, work } from './lib.js';
import { create } from './screen.js';

const COPIES = 20;
const EVENTS = 20;
const limits = { static: 80, dynamic: 160 }; /* KiB */

/** Link ws/stream.o anew, statically or not, with the flags of the build. */
async function link(kind)
{
	const made = readFileSync(`${bin}/Makefile`, 'utf8');
	const variable = (name) => (made.match(new RegExp(`^${name} =(.*)$`, 'm'))?.[1] ?? '').trim().split(/\s+/).filter(Boolean);
	const libs = await program('pkg-config', ['--libs', ...kind === 'static' ? ['--static'] : [], 'hiredis', 'libsodium']);
	const out = `${work}/dapur-stream-${kind}`;

	await program(variable('CC')[0] || 'cc', [...variable('DAPUR_LDFLAGS'),
		...kind === 'static' ? ['-static', '-Wl,-z,norelro'] : variable('PIE_LDFLAGS'), '-o', out, `${bin}/ws/stream.o`, `${bin}/libdapur.a`,
		...libs.stdout.trim().split(/\s+/)]);
	return out;
}

/* What websocketd 0.4.1 hands its child. */
function environment(token)
{
	const { hostname, port } = new URL(url);

	return { PATH: process.env.PATH, GATEWAY_INTERFACE: 'websocketd-CGI/0.1', REQUEST_METHOD: 'GET', REQUEST_URI: '/api/ws',
		QUERY_STRING: '', PATH_INFO: '/api/ws', SCRIPT_NAME: '/', REMOTE_ADDR: '127.0.0.1', SERVER_NAME: hostname,
		SERVER_PORT: port, SERVER_PROTOCOL: 'HTTP/1.1', HTTP_ORIGIN: origin, HTTP_COOKIE: `dapur_session=${token}` };
}

async function weigh(kind, token)
{
	const file = await link(kind);
	const children = [];
	const lines = new Tally();

	try {
		for (let i = 0; i < COPIES; i++) {
			const child = spawn(file, ['-c', process.env.DAPUR_CONF], { env: environment(token) });

			child.stdout.on('data', (bytes) => {
				lines.add(bytes.toString().split('\n').length - 1);
			});
			children.push(child);
		}
		await lines.reach(COPIES, 5000);
		for (let i = 0; i < EVENTS; i++)
			await create(token);
		const events = await lines.reach(COPIES * (1 + EVENTS), 5000);
		const each = children.map((c) => smaps(c.pid, 'Private_Clean', 'Private_Dirty'));

		return { kib: Math.max(...each), pss_kib: Math.max(...children.map((c) => smaps(c.pid, 'Pss'))),
			events, limit: limits[kind] };
	} finally {
		for (const child of children)
			child.kill();
	}
}

export async function measure()
{
	const [token] = await sessions();

	/* into the cache of the streams: these copies do not lie beside the program that asks PostgreSQL */
	await fetch(`${url}/api/ws`, { headers: { cookie: `dapur_session=${token}` } });
	return { static: await weigh('static', token), dynamic: await weigh('dynamic', token) };
}

export const failed = (f) => Object.values(f).some((x) => x.kib > x.limit || x.kib === 0 || !x.events);

export const table = (f) => markdown(['private memory of a dapur-stream', 'KiB', 'at most'],
	Object.entries(f).map(([kind, x]) => [kind, `${x.kib}${x.events ? '' : ' (events missing)'}`, x.limit]));
