/* The web server's side of FastCGI, one request a connection, its bytes in the test's own hands. */
import net from 'node:net';
import { within } from './wait.js';

const BEGIN = 1, PARAMS = 4, STDIN = 5, STDOUT = 6, RESPONDER = 1;

function record(type, content)
{
	const head = Buffer.from([1, type, 0, 1, 0, 0, 0, 0]);

	head.writeUInt16BE(content.length, 4);
	return Buffer.concat([head, content]);
}

function pair(name, value)
{
	const [n, v] = [Buffer.from(name), Buffer.from(value)];
	const sizes = Buffer.alloc(8);

	sizes.writeUInt32BE((n.length | 0x80000000) >>> 0, 0);
	sizes.writeUInt32BE((v.length | 0x80000000) >>> 0, 4);
	return Buffer.concat([sizes, n, v]);
}

/** The records that begin a request with these parameters. */
export const begin = (params) => Buffer.concat([
	record(BEGIN, Buffer.from([0, RESPONDER, 0, 0, 0, 0, 0, 0])),
	record(PARAMS, Buffer.concat(Object.entries(params).map(([name, value]) => pair(name, value)))),
	record(PARAMS, Buffer.alloc(0)),
]);

/** A part of the body; an empty one ends it. */
export const body = (text) => record(STDIN, Buffer.from(text));

/** Connect to a Unix socket; gives { write(bytes), answer }: what the program printed, once it closes. */
export async function connect(path)
{
	const socket = net.connect(path);
	const chunks = [];
	const answer = new Promise((resolve) => {
		socket.on('data', (chunk) => chunks.push(chunk));
		socket.on('error', () => {});
		socket.on('close', () => {
			const all = Buffer.concat(chunks), parts = [];

			for (let at = 0; at + 8 <= all.length;) {
				const length = all.readUInt16BE(at + 4);
				if (all[at + 1] === STDOUT)
					parts.push(all.subarray(at + 8, at + 8 + length));
				at += 8 + length + all[at + 6];
			}
			resolve(Buffer.concat(parts).toString());
		});
	});

	await within(15_000, `connection to ${path}`, new Promise((resolve, reject) => {
		socket.once('connect', resolve);
		socket.once('error', reject);
	}));
	return { answer, write: (bytes) => socket.write(bytes) };
}
