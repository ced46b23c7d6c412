/* Bytes to and from one web server: what no library would send, and streams that go on. */
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { Sse } from '../../lib/feeds.js';
import { atEnd } from '../../lib/suite.js';
import { within } from '../../lib/wait.js';

/* The chunks of a body, without their sizes. */
function joined(body)
{
	let text = '';

	for (let rest = body;;) {
		const end = rest.indexOf('\r\n');
		const size = parseInt(rest.slice(0, end), 16);
		if (!(size > 0))
			return text;
		text += rest.slice(end + 2, end + 2 + size);
		rest = rest.slice(end + 4 + size);
	}
}

/** Send bytes, read until the server closes; gives { status, head, text }. */
export function exchange(front, bytes)
{
	const { hostname, port } = new URL(front.url);

	return within(30_000, 'answer to raw bytes', new Promise((resolve, reject) => {
		const socket = net.connect(Number(port), hostname);
		const chunks = [];
		const end = () => {
			const text = Buffer.concat(chunks).toString('latin1');
			const at = text.indexOf('\r\n\r\n');
			socket.destroy();
			const head = text.slice(0, at), body = text.slice(at + 4);
			resolve({ status: Number(/^HTTP\/1\.\d (\d+)/.exec(text)?.[1]), head,
			    text: /^transfer-encoding: chunked/im.test(head) ? joined(body) : body });
		};
		socket.on('data', (chunk) => chunks.push(chunk));
		socket.on('error', (error) => (chunks.length > 0 ? end() : reject(error)));
		socket.on('end', end);
		socket.write(bytes);
	}));
}

/** One request line with headers and a body, closed after the answer. */
export function ask(front, line, headers = [], body = '')
{
	return exchange(front, `${line} HTTP/1.1\r\nHost: ${new URL(front.url).host}\r\nConnection: close\r\n`
	    + headers.map((h) => `${h}\r\n`).join('') + `\r\n${body}`);
}

/** An open feed over text/event-stream; its frames as any feed's. */
export class Events extends Sse {
	constructor(front, client, query = '')
	{
		super();
		const transport = front.url.startsWith('https') ? https : http;

		this.request = transport.get(`${front.url}/api/events${query}`, {
			agent: false, rejectUnauthorized: false,
			headers: { accept: 'text/event-stream', cookie: client.cookie },
		}, (res) => {
			this.status = res.statusCode;
			this.headers = res.headers;
			res.setEncoding('utf8');
			res.on('data', (text) => this.text(text));
			res.on('error', () => {});
			res.on('close', () => this.finish());
		});
		this.request.on('error', () => this.finish());
		atEnd(() => this.request.destroy());
	}

	close()
	{
		this.request.destroy();
		return within(15_000, 'end of the stream', this.closed);
	}
}
