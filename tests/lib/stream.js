/*
 * A WebSocket client of the feed, over the `ws` package as any program would
 * use it: a Cookie, an Origin, nothing else.
 */
import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { origin as ownOrigin, wsUrl } from './env.js';
import { Inbox } from './inbox.js';
import { atEnd } from './suite.js';
import { within } from './wait.js';

export class Stream extends Inbox {
	constructor(url, options)
	{
		super();
		this.socket = new WebSocket(url, options);
		this.opened = new Promise((resolve, reject) => {
			this.socket.once('open', resolve);
			this.socket.once('error', reject);
		});
		this.opened.catch(() => {});
		this.socket.once('close', (code) => this.finish(code));
		this.socket.on('error', () => {});
		this.socket.on('unexpected-response', (_, res) => this.#refused(res));
		this.socket.on('message', (bytes) => this.take(String(bytes)));
	}

	/* The web server may refuse before a stream is made: by status, with the code in the body. */
	#refused(res)
	{
		const chunks = [];

		res.on('data', (chunk) => chunks.push(chunk));
		res.on('end', () => {
			const text = String(Buffer.concat(chunks));

			this.status = res.statusCode;
			try {
				const { code, error } = JSON.parse(text);
				this.take(JSON.stringify({ type: 'disconnect', code, message: error,
				    reconnect: res.statusCode >= 500 || res.statusCode === 429 }));
			} catch {
				this.take(text);
			}
			this.socket.emit('error', new Error(`HTTP ${res.statusCode} ${text}`));
			this.socket.emit('close', 1006);
		});
	}

	send(text)
	{
		this.socket.send(typeof text === 'string' ? text : JSON.stringify(text));
	}

	close()
	{
		this.socket.close();
		return within(15_000, 'end of the WebSocket', this.closed);
	}
}

/**
 * Begin a WebSocket without waiting for anything.
 *
 * in   who     a Client whose cookie is shown, or null
 *      options after, topics, token: the query; query: the whole query string;
 *              cookie, origin (null: none), headers; url: of another server
 */
export function dial(who, options = {})
{
	const query = new URLSearchParams();
	for (const name of ['after', 'topics', 'token'])
		if (options[name] !== undefined)
			query.set(name, options[name]);
	const text = options.query ?? String(query);
	const headers = { ...options.headers };
	const cookie = options.cookie ?? who?.cookie;
	const origin = options.origin === undefined ? ownOrigin : options.origin;

	if (cookie)
		headers.Cookie = cookie;
	if (origin !== null)
		headers.Origin = origin;
	const url = options.url ?? wsUrl;
	const stream = new Stream(text ? `${url}?${text}` : url, { headers, perMessageDeflate: false,
	    handshakeTimeout: 15_000, rejectUnauthorized: false, localAddress: options.address });
	atEnd(() => stream.socket.terminate());
	return stream;
}

/** As dial(), and wait for `connected`: from here on nothing is missed. */
export async function open(who, options = {})
{
	const stream = dial(who, options);

	await within(15_000, 'WebSocket handshake', stream.opened);
	stream.connected = await stream.next(() => true);
	assert.equal(stream.connected.type, 'connected', JSON.stringify(stream.connected));
	return stream;
}

/** Dial and expect to be turned away: exactly one `disconnect`, then the end. */
export async function turnedAway(who, options, code)
{
	const stream = dial(who, options);

	await within(15_000, 'end of the WebSocket', stream.closed);
	assert.equal(stream.frames.length, 1, stream.lines.join('\n'));
	const [frame] = stream.frames;
	assert.equal(frame.type, 'disconnect', stream.lines[0]);
	if (code !== undefined)
		assert.equal(frame.code, code);
	assert.equal(typeof frame.message, 'string');
	assert.equal(typeof frame.reconnect, 'boolean');
	return frame;
}
