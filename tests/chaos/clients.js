/*
 * The clients: WebSocket, SSE (by hand and by the eventsource package) and
 * long poll. Each keeps its position: the one of the last event it applied.
 * It drops its connection at random and comes back from there.
 *
 * A client judges nothing. It records, in the order things came:
 *   start     the position it began at
 *   records   { seq, raw, same, at_ms }   an event: hash of its text, hash of
 *                                         what it says (key order and all)
 *             { beat }                    a heartbeat's position
 *             { opened, after }           connected: the position it was given
 *   others    the text of every other frame
 *   trouble   frames that no client should get, bytes of another tenant
 */
import { createHash } from 'node:crypto';
import { EventSource } from 'eventsource';
import WebSocket from 'ws';
import { exchange, open } from './http.js';
import { Rng } from './prng.js';
import { sleep } from './stack.js';

export const kinds = ['ws', 'sse', 'eventsource', 'poll'];
const FRAMES = ['connected', 'heartbeat', 'reset', 'reconnect', 'disconnect', 'pong'];
const MAX_OTHERS = 5000;

export const hash = (text) => createHash('sha1').update(text).digest('base64').slice(0, 16);

/** "k3f9.1042" -> { epoch, seq }. */
export function position(text)
{
	const m = /^([A-Za-z0-9_-]+)\.([0-9]+)$/.exec(text ?? '');

	return m ? { epoch: m[1], seq: Number(m[2]) } : undefined;
}

export class FeedClient {
	/**
	 * in  shared  { seed, url, wsUrl, origin, tenants, settling: bool,
	 *             stopping: bool, life_ms: mean time between two drops }
	 */
	constructor(shared, tenant, kind, n)
	{
		Object.assign(this, { shared, tenant, kind });
		this.name = `${kind}-${n} of ${tenant.id}`;
		this.rng = new Rng(shared.seed, 'client', n);
		this.slow = n % 4 === 3 && kind !== 'poll';
		this.others = [];
		this.records = [];
		this.trouble = [];
		this.start = undefined;
		this.at = undefined;	/* of the last event applied, as text */
		this.counts = { opened: 0, resumed: 0, dropped: 0, ended: 0, refused: 0, silent: 0 };
		this.waits_since = 0;	/* since when it wants to be served */
		this.heartbeat_ms = 20_000;
		this.foreign = shared.tenants.filter((t) => t !== tenant).map((t) => t.mark);
	}

	get seq() { return position(this.at)?.seq; }

	/** Serve until shared.stopping. */
	async run()
	{
		const { shared, rng } = this;

		if (this.kind === 'poll' || rng.chance(0.5))
			await this.#fromList();
		for (let failed = 0; !shared.stopping;) {
			this.waits_since = Date.now();
			const opened = this.counts.opened;
			const pause_ms = await this.#session();
			failed = this.counts.opened > opened ? 0 : failed + 1;
			const back_ms = failed > 0 ? Math.min(100 * 2 ** Math.min(failed, 4), 1500) : 50;
			await this.#pause(Math.max(pause_ms ?? 0, back_ms * (0.5 + rng.next())),
			    pause_ms !== undefined);
		}
	}

	/** Away by its own will: not when everybody is to catch up. */
	async #pause(ms, wanted)
	{
		const end = Date.now() + ms;

		while (Date.now() < end && !this.shared.stopping && !(wanted && this.shared.settling))
			await sleep(Math.min(50, end - Date.now()));
	}

	/** As a page does: the list, then the feed from the list's position. */
	async #fromList()
	{
		for (let tries = 0; !this.shared.stopping; tries++) {
			try {
				const r = await exchange(`${this.shared.url}/api/production?limit=1`,
				    { headers: { cookie: this.tenant.cookie }, timeout_ms: 3000 });
				this.#look(r.text);
				if (r.status === 200) {
					this.start = this.at = r.headers['x-stream-position'];
					return;
				}
			} catch { /* again */ }
			await sleep(100 + 400 * this.rng.next());
		}
	}

	/**
	 * One connection, from open to end. Gives how long to stay away, or
	 * undefined when the server ended it.
	 */
	async #session()
	{
		const session = { alive_ms: Date.now(), ended: false };
		const ended = new Promise((resolve) => {
			session.end = (why, pause_ms) => {
				if (session.ended)
					return;
				session.ended = true;
				session.close?.();
				this.counts[why]++;
				resolve(pause_ms);
			};
		});
		const drop_ms = Date.now() + this.rng.pause(this.shared.life_ms);
		const away_ms = this.rng.chance(0.1) ? this.rng.pause(5000) : this.rng.pause(400);
		const watch = setInterval(() => {
			if (this.shared.stopping)
				session.end('dropped', 0);
			else if (Date.now() > drop_ms && !this.shared.settling)
				session.end('dropped', away_ms);
			else if (Date.now() > session.alive_ms + 3 * this.heartbeat_ms + 2000 && !session.held)
				session.end('silent');
		}, 25);

		if (this.at !== undefined)
			this.counts.resumed++;
		this[`_${this.kind}`](session);
		const pause_ms = await ended;
		clearInterval(watch);
		return pause_ms;
	}

	/* --- what came --- */

	#look(text)
	{
		for (const mark of this.foreign)
			if (text.includes(mark))
				this.trouble.push(`bytes of another tenant (${mark}): ${text.slice(0, 400)}`);
	}

	#event(frame, text)
	{
		this.records.push({ seq: frame.seq, raw: hash(text), same: hash(JSON.stringify(frame)),
		    at_ms: Date.now(), since_ms: this.waits_since });
		if (frame.sppgId !== this.tenant.id)
			this.trouble.push(`an event of ${frame.sppgId}: ${text.slice(0, 400)}`);
		this.at = frame.position;
	}

	/** One frame as it came. */
	_take(session, text)
	{
		let frame;

		if (session.ended)
			return;
		session.alive_ms = Date.now();
		this.#look(text);
		try {
			frame = JSON.parse(text);
		} catch {
			this.trouble.push(`not JSON: ${text.slice(0, 400)}`);
			return;
		}
		if (Number.isInteger(frame.seq)) {
			this.#event(frame, text);
			return;
		}
		if (this.others.length < MAX_OTHERS)
			this.others.push(text);
		if (frame.type === 'connected') {
			this.counts.opened++;
			this.heartbeat_ms = frame.heartbeatMs ?? this.heartbeat_ms;
			this.records.push({ opened: frame.position, after: session.after });
			this.start ??= frame.position;
			this.at ??= frame.position;
		} else if (frame.type === 'heartbeat') {
			this.records.push({ beat: frame.position });
		} else if (frame.type === 'reset') {
			this.trouble.push(`reset after ${session.after ?? 'nothing'}: ${text}`);
			this.at = frame.head;
		} else if (frame.type === 'reconnect') {
			session.end('ended', frame.afterMs);
		} else if (frame.type === 'disconnect') {
			if (frame.reconnect !== true)
				this.trouble.push(`turned away for good: ${text}`);
			session.end('ended');
		} else {
			this.trouble.push(`a frame nobody sends: ${text.slice(0, 400)}`);
		}
	}

	/** A reader who looks away for a while. */
	#dawdle(session, stream)
	{
		if (!this.slow || this.rng.chance(0.5) || this.shared.settling)
			return;
		session.held = true;
		stream.pause();
		this.#pause(this.rng.int(500, 6000), true).then(() => {
			session.held = false;
			session.alive_ms = this.waits_since = Date.now();
			if (!session.ended)
				stream.resume();
		});
	}

	/* --- four ways to be served --- */

	#query(session)
	{
		session.after = this.at;
		return this.at === undefined ? '' : `?after=${encodeURIComponent(this.at)}`;
	}

	_ws(session)
	{
		const socket = new WebSocket(this.shared.wsUrl + this.#query(session), {
			headers: { Cookie: this.tenant.cookie, Origin: this.shared.origin },
			perMessageDeflate: false, handshakeTimeout: 8000,
		});
		let opened = false;

		session.close = () => socket.terminate();
		socket.on('open', () => {
			opened = true;
			this.#dawdle(session, socket);
		});
		socket.on('message', (bytes) => this._take(session, String(bytes)));
		socket.on('error', () => {});
		socket.on('close', () => session.end(opened ? 'ended' : 'refused'));
	}

	_sse(session)
	{
		/* Position as a browser gives it, or as a page does. */
		const header = this.at !== undefined && this.rng.chance(0.5);
		const query = this.#query(session);
		const headers = { accept: 'text/event-stream', cookie: this.tenant.cookie };

		if (header)
			headers['last-event-id'] = this.at;
		open(`${this.shared.url}/api/events${header ? '' : query}`, { headers }).then((r) => {
			session.close = r.destroy;
			if (session.ended) {
				r.destroy();
				return;
			}
			if (r.status !== 200 || !/^text\/event-stream/.test(r.res.headers['content-type'])) {
				if (r.status < 500)
					this.trouble.push(`SSE answered ${r.status} ${r.res.headers['content-type']}`);
				session.end('refused');
				return;
			}
			this.#dawdle(session, r.res);
			let rest = '';
			r.res.setEncoding('utf8');
			r.res.on('data', (text) => {
				session.alive_ms = Date.now();
				rest = this.#parse(session, rest + text);
			});
			r.res.on('close', () => session.end('ended'));
		}, () => session.end('refused'));
	}

	/** text/event-stream; gives what is not ended by an empty line yet. */
	#parse(session, text)
	{
		const blocks = text.split('\n\n');
		const rest = blocks.pop();

		for (const block of blocks) {
			const data = [], ids = [];
			for (const line of block.split('\n')) {
				if (line.startsWith('data:'))
					data.push(line.slice(5).replace(/^ /, ''));
				else if (line.startsWith('id:'))
					ids.push(line.slice(3).trim());
			}
			if (data.length === 0)
				continue;
			this._take(session, data.join('\n'));
			if (ids.length > 0 && !session.ended && this.at !== ids[0])
				this.trouble.push(`id ${ids[0]} with ${data[0].slice(0, 200)}`);
		}
		return rest;
	}

	_eventsource(session)
	{
		const source = new EventSource(`${this.shared.url}/api/events${this.#query(session)}`, {
			fetch: (url, init) => fetch(url, { ...init,
			    headers: { ...init.headers, cookie: this.tenant.cookie } }),
		});
		const take = (event) => this._take(session, event.data);

		session.close = () => source.close();
		source.onmessage = take;
		for (const type of [...FRAMES, 'production_created', 'production_updated',
		    'production_deleted', 'status_changed', 'quality_check_added', 'menu_updated'])
			source.addEventListener(type, take);
		source.onerror = () => {
			/* It comes back by itself, with Last-Event-ID; unless the answer was none. */
			if (source.readyState === EventSource.CLOSED) {
				session.end('refused');
				return;
			}
			this.counts.ended++;
			this.counts.resumed++;
			session.alive_ms = Date.now();
			session.after = this.at;
			this.waits_since = Date.now();
		};
	}

	_poll(session)
	{
		const { shared } = this;
		let broken = false;

		session.close = () => { broken = true; };
		const once = async () => {
			const limit = this.rng.pick([5, 100, 1000]);
			const wait = shared.settling ? 2 : this.rng.int(0, 5);
			const r = await exchange(`${shared.url}/api/events${this.#query(session)}`
			    + `&wait=${wait}&limit=${limit}`,
			    { headers: { cookie: this.tenant.cookie }, timeout_ms: (wait + 10) * 1000 });
			if (broken)
				return;
			this.#look(r.text);
			session.alive_ms = Date.now();
			if (r.status >= 500) {
				session.end('refused');
				return;
			}
			const body = JSON.parse(r.text);
			if (r.status !== 200 || body.success !== true) {
				this.trouble.push(`poll after ${session.after}: ${r.status} ${r.text.slice(0, 300)}`);
				session.end('refused');
				return;
			}
			if (session.polls === undefined)
				this.counts.opened++;
			session.polls = (session.polls ?? 0) + 1;
			for (const event of body.data)
				this.#event(event, JSON.stringify(event));
			this.records.push({ beat: body.position });
			if (body.reset)
				this._take(session, JSON.stringify(body.reset));
		};
		(async () => {
			while (!session.ended && !shared.stopping)
				await once();
		})().catch(() => session.end('refused'));
	}
}
