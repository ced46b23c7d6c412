/*
 * The feed over each of its carriers, behind one face (an Inbox):
 *
 *   open(who, options)   connected: from here on nothing is missed
 *   dial(who, options)   begun, nothing is waited for
 *   .connected .frames .lines .events .at .next() .close() .ended .closed
 *
 * options: after, topics, token; cookie, origin (null: none), headers; front: { url, wsUrl } of another web server.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { Readable } from 'node:stream';
import { EventSource } from 'eventsource';
import { env, origin as ownOrigin } from './env.js';
import { Inbox } from './inbox.js';
import { dial as dialSocket } from './stream.js';
import { atEnd } from './suite.js';
import { within } from './wait.js';

const NAMED = ['connected', 'heartbeat', 'reset', 'reconnect', 'disconnect', 'pong'];
const WAIT_S = 5;	/* of one long poll */

/** The query of a feed. */
export function queryOf(options, more = {})
{
	const query = new URLSearchParams();

	for (const [name, value] of Object.entries({ after: options.after, topics: options.topics,
	    token: options.token, ...more }))
		if (value !== undefined)
			query.set(name, value);
	return options.query ?? String(query);
}

const urlOf = (options) => options.front?.url ?? env.URL;

function headersOf(who, options, accept)
{
	const headers = { accept, ...options.headers };
	const cookie = options.cookie ?? who?.cookie;

	if (cookie)
		headers.cookie = cookie;
	if (options.origin)	/* a browser sends none with a GET of its own page */
		headers.origin = options.origin;
	return headers;
}

/** text/event-stream into an Inbox; .blocks has what each block said. */
export class Sse extends Inbox {
	constructor()
	{
		super();
		this.blocks = [];
		this.rest = '';
	}

	text(text)
	{
		const blocks = (this.rest + text).split('\n\n');

		this.rest = blocks.pop();
		for (const block of blocks) {
			const said = {};
			for (const line of block.split('\n')) {
				const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
				said[name] = name in said && name === 'data' ? `${said[name]}\n${value}` : value;
			}
			this.blocks.push(said);
			if ('data' in said)
				this.take(said.data);
		}
	}
}

/** SSE over a bare HTTP connection of its own; may stop reading. */
export class RawSse extends Sse {
	constructor(who, options)
	{
		super();
		const url = new URL(`${urlOf(options)}/api/events?${queryOf(options)}`);

		this.answered = new Promise((resolve, reject) => {
			this.request = http.request(url, {
				method: options.method ?? 'GET', agent: false,
				headers: headersOf(who, options, 'text/event-stream'),
			}, (res) => {
				this.status = res.statusCode;
				this.headers = res.headers;
				this.response = res;
				res.setEncoding('utf8');
				res.on('data', (text) => this.text(text));
				res.on('error', () => {});
				res.on('close', () => this.finish());
				resolve(res);
			});
			this.request.on('error', (error) => {
				reject(error);
				this.finish();
			});
			this.request.end();
		});
		this.answered.catch(() => {});
	}

	pause() { this.response.pause(); }

	resume() { this.response.resume(); }

	close()
	{
		this.request.destroy();
		return within(15_000, 'end of the stream', this.closed);
	}
}

/* fetch() for eventsource by node:http: that of Node 18 keeps its connection open when it is aborted. */
const fetchByHttp = (url, { headers, signal }) => new Promise((resolve, reject) => {
	http.get(url, { headers: Object.fromEntries(new Headers(headers)), signal, agent: false }, (res) => {
		const response = new Response(Readable.toWeb(res), { status: res.statusCode, headers: res.headers });

		resolve(Object.defineProperty(response, 'url', { value: String(url) }));
	}).on('error', reject);
});

/** The eventsource package, as a page uses EventSource: it comes back by itself until told not to. */
class Browser extends Inbox {
	constructor(who, options)
	{
		super();
		const query = queryOf(options);
		const extra = headersOf(who, options, 'text/event-stream');

		this.ids = [];
		this.opens = 0;
		this.source = new EventSource(`${urlOf(options)}/api/events${query ? `?${query}` : ''}`, {
			fetch: (url, init) => fetchByHttp(url, { ...init, headers: { ...extra, ...init.headers } }),
		});
		const heard = (event) => {
			this.ids.push(event.lastEventId);
			this.take(event.data);
			if (event.type === 'disconnect')
				this.close();
		};
		this.source.onmessage = heard;
		for (const name of NAMED)
			this.source.addEventListener(name, heard);
		this.source.onopen = () => { this.opens++; };
		this.source.onerror = () => {
			if (this.source.readyState === EventSource.CLOSED)
				this.finish();
		};
	}

	async close()
	{
		this.source.close();
		this.finish();
	}
}

/** Long polls one after the other; what a page answers is put in the words of a stream. */
class Poll extends Inbox {
	constructor(who, options)
	{
		super();
		this.options = options;
		this.who = who;
		this.after = options.after;
		this.agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
		this.#run();
	}

	#get(more)
	{
		const { options } = this;
		const url = new URL(`${urlOf(options)}/api/events?${
		    options.query ?? queryOf({ ...options, after: this.after }, more)}`);

		return new Promise((resolve, reject) => {
			this.request = http.request(url, { agent: this.agent,
			    headers: headersOf(this.who, options, 'application/json') }, (res) => {
				const chunks = [];
				res.on('data', (chunk) => chunks.push(chunk));
				res.on('error', reject);
				res.on('end', () => resolve({ status: res.statusCode,
				    text: Buffer.concat(chunks).toString() }));
			});
			this.request.on('error', reject);
			this.request.end();
		});
	}

	#page({ status, text })
	{
		const body = JSON.parse(text);

		if (status !== 200) {
			this.take(JSON.stringify({ type: 'disconnect', code: body.code, message: body.error,
			    reconnect: status >= 500, status }));
			this.finish();
			return;
		}
		if (!this.polls)
			this.take(JSON.stringify({ type: 'connected', head: body.head,
			    position: body.reset ? body.head : this.after ?? body.position }));
		this.polls = (this.polls ?? 0) + 1;
		if (body.reset)
			this.take(JSON.stringify(body.reset));
		for (const event of body.data)
			this.take(JSON.stringify(event));
		this.at = this.after = body.position;
	}

	async #run()
	{
		while (!this.ended) {
			try {
				const answer = await this.#get(this.polls ? { wait: WAIT_S } : {});
				/* away for a moment is no end for who polls */
				if (answer.status < 500 || !this.polls)
					this.#page(answer);
				else
					await new Promise((resolve) => { setTimeout(resolve, 100); });
			} catch (error) {
				if (!this.polls) {
					this.error = error;
					this.finish();
				}
				await new Promise((resolve) => { setTimeout(resolve, 100); });
			}
		}
	}

	async close()
	{
		this.finish();
		this.request?.destroy();
		this.agent.destroy();
	}
}

const makers = {
	WebSocket: (who, options) => dialSocket(who, options.front
	    ? { ...options, url: options.front.wsUrl, origin: options.front.url } : options),
	SSE: (who, options) => new RawSse(who, options),
	EventSource: (who, options) => new Browser(who, options),
	'long poll': (who, options) => new Poll(who, options),
};

/** The names of the carriers. */
export const carriers = Object.keys(makers);

export function dial(carrier, who, options = {})
{
	const feed = makers[carrier](who, options);

	feed.carrier = carrier;
	atEnd(() => (feed.ended ? undefined : feed.close()));
	return feed;
}

export async function open(carrier, who, options = {})
{
	const feed = dial(carrier, who, options);

	feed.connected = await feed.next(() => true);
	assert.equal(feed.connected.type, 'connected', `${carrier}: ${JSON.stringify(feed.connected)}`);
	return feed;
}

/** One open feed of each carrier. */
export function openAll(who, options = {})
{
	return Promise.all(carriers.map((carrier) => open(carrier, who, options)));
}

/** Dial and expect to be turned away: one `disconnect` at most, nothing else, then the end; gives its code. */
export async function refusedBy(carrier, who, options = {})
{
	const feed = dial(carrier, who, options);

	await within(15_000, `end of the ${carrier}`, feed.closed);
	/* A front may ask the actions first: then the handshake itself fails. */
	if (carrier === 'WebSocket' && feed.frames.length === 0) {
		const status = /response: (401|403)/.exec(await feed.opened.catch((error) => error.message));
		assert.ok(status, 'neither a frame nor a refusal');
		return { '401': 'UNAUTHORIZED', '403': 'CROSS_SITE' }[status[1]];
	}
	assert.deepEqual(feed.frames.map((f) => f.type), ['disconnect'], `${carrier}: ${feed.lines.join('\n')}`);
	const [{ code, message, reconnect }] = feed.frames;
	assert.equal(reconnect, false);
	assert.equal(typeof message, 'string');
	return code;
}
