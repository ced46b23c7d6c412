/* One HTTP exchange written byte by byte, for what no library would send. */
import net from 'node:net';
import { env } from './env.js';
import { within } from './wait.js';

/** Send `bytes`, read until the server closes; gives { status, text }. */
export function exchange(bytes)
{
	const url = new URL(env.URL);

	return within(30_000, 'answer to raw bytes', new Promise((resolve, reject) => {
		const socket = net.connect(Number(url.port || 80), url.hostname);
		const chunks = [];

		socket.on('data', (chunk) => chunks.push(chunk));
		socket.on('error', (error) => (chunks.length > 0 ? end() : reject(error)));
		socket.on('end', () => end());
		socket.write(bytes);
		function end()
		{
			const text = Buffer.concat(chunks).toString('latin1');
			socket.destroy();
			resolve({ status: Number(/^HTTP\/1\.\d (\d+)/.exec(text)?.[1]), text });
		}
	}));
}

/** A GET or the like with any target and headers, closed after the answer. */
export function ask(line, headers = [], body = '')
{
	const host = new URL(env.URL).host;

	return exchange(`${line} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n`
	    + headers.map((h) => `${h}\r\n`).join('') + `\r\n${body}`);
}
