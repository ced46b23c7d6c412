/*
 * feed: the live events of one kitchen, each one once, in order, starting after
 * a position; over a WebSocket, or where there is none Server-Sent Events. Owns one socket, its timers and the
 * position; knows nothing of the page. No imports: copy this file.
 *
 *     const list = await fetch('/api/production');
 *     const feed = new Feed({
 *             url: `wss://${location.host}/api/ws`,
 *             eventsUrl: '/api/events',
 *             onEvent: (event) => apply(event),
 *             onReset: () => loadTheListAndStartAgain(),
 *             onEnd: (code) => showLogIn(code),
 *     });
 *     feed.start(list.headers.get('X-Stream-Position'));
 *
 * The list and its position come from one snapshot, so what the list lacks the
 * feed brings, and nothing is applied twice.
 */

export const FEED_LIMITS = {
	firstDelayMs: 500,       /* before the first retry, doubled each time */
	maxDelayMs: 30_000,
	openMs: 10_000,          /* from new socket to its first frame */
	heartbeatMs: 20_000,     /* until the server says otherwise */
	steadyMs: 10_000,        /* live this long, and the delays begin anew */
	silence: 2.5,            /* heartbeats without a frame = dead line */
	probeMs: 5_000,          /* answer to a ping of ours */
	dumb: 2,                 /* lines in a row that end without a frame: the other way */
};

/**
 * One live feed.
 *
 * in:  options.url       ws:// or wss:// address without query
 *      options.eventsUrl the feed as Server-Sent Events, for hosts without
 *                        WebSocket (optional)
 *      options.onEvent   (event) for each event with a seq, once, by seq
 *      options.onHint    (message) for a message without seq: somebody else
 *                        published; it has no place in the order (optional)
 *      options.onReset   (reason) the position is of no use: read the list
 *                        anew and start(position of that list)
 *      options.onState   ({state, failures, retryAt}) state is one of
 *                        off, connecting, live, waiting (optional)
 *      options.onEnd     (code, message) the server will not have us back
 *      options.onRefused async () => may we go on trying? Asked when a line ended
 *                        without a frame: a web server refuses a WebSocket by a
 *                        status that no page can see (optional)
 *      options.WebSocket, options.EventSource, options.random, options.limits   for tests
 */
export class Feed {
	#options;
	#limits;
	#socket = null;
	#timer = null;           /* the only one: retry, opening or watchdog */
	#position = null;
	#seq = null;             /* of the last event applied */
	#behind = null;          /* our position when a heartbeat was ahead of it */
	#hole = null;            /* our position when an event was missing after it */
	#dumb = 0;               /* lines in a row that ended without a frame */
	#plain = false;          /* by Server-Sent Events */
	#heartbeatMs;
	#liveSince = null;
	#heardAt = null;
	#failures = 0;
	#state = { state: 'off', failures: 0, retryAt: null };

	constructor(options)
	{
		this.#options = options;
		this.#limits = { ...FEED_LIMITS, ...options.limits };
	}

	/** The position after the last event applied; opaque. */
	get position()
	{
		return this.#position;
	}

	/** When the last frame came (epoch ms): until then nothing is missing. */
	get heardAt()
	{
		return this.#heardAt;
	}

	/** {state, failures, retryAt}; retryAt is epoch ms while waiting. */
	get state()
	{
		return this.#state;
	}

	/** Opens the feed after `position` (null: live from now). Also moves an open one. */
	start(position)
	{
		this.#position = position ?? null;
		this.#seq = null;
		this.#hole = null;
		this.#failures = 0;
		this.#open();
	}

	/** Closes the feed for good, or until start(). */
	stop()
	{
		this.#drop();
		this.#enter('off');
	}

	/**
	 * Makes sure now rather than later: retries at once when waiting, pings when
	 * live. For a page that wakes up, or a network that comes back.
	 */
	check()
	{
		if (this.#state.state === 'waiting') {
			this.#open();
		} else if (this.#state.state === 'live') {
			if (this.#plain) {
				this.#retry(0);  /* nobody to ask: open anew */
				return;
			}
			this.#socket.send('{"type":"ping"}');
			this.#arm(this.#limits.probeMs, () => this.#retry());
		}
	}

	#open()
	{
		this.#drop();
		this.#behind = null;
		this.#liveSince = null;
		this.#heartbeatMs = this.#limits.heartbeatMs;

		const { url, eventsUrl } = this.#options;
		const Socket = this.#options.WebSocket ?? WebSocket;
		const Source = this.#options.EventSource ?? globalThis.EventSource;
		const query = this.#position === null ? ''
		    : `?after=${encodeURIComponent(this.#position)}`;
		const socket = this.#plain ? new Source(eventsUrl + query) : new Socket(url + query);

		/* a line that was dropped may still speak: it is not heard */
		const mine = (run) => (e) => this.#socket === socket && run(e);
		const heard = mine((e) => this.#line(e.data));
		const ended = mine(() => this.#ended());
		socket.onmessage = heard;
		if (this.#plain) {
			socket.onerror = ended;  /* it comes back by our delays, not its own */
			for (const type of FRAMES.keys())
				socket.addEventListener(type, heard);
		} else {
			socket.onclose = ended;
		}
		this.#socket = socket;
		this.#enter('connecting');
		this.#arm(this.#limits.openMs, ended);
	}

	/*
	 * The line ended by itself. Without a frame it was perhaps refused, or there is
	 * no WebSocket here: ask, and after a few the other way is tried.
	 */
	#ended()
	{
		if (this.#state.state !== 'connecting') {
			this.#retry();
			return;
		}
		if (++this.#dumb >= this.#limits.dumb && this.#options.eventsUrl) {
			this.#dumb = 0;
			this.#plain = !this.#plain;
		}
		this.#retry();
		const waiting = this.#state;
		this.#options.onRefused?.().then((goOn) => {
			if (goOn || this.#state !== waiting)
				return;
			this.stop();
			this.#options.onEnd('UNAUTHORIZED', 'log in first');
		});
	}

	#drop()
	{
		const socket = this.#socket;

		clearTimeout(this.#timer);
		this.#socket = null;
		socket?.close();
	}

	/** Closes and comes back: after `delayMs`, else after a growing random delay. */
	#retry(delayMs)
	{
		const { firstDelayMs, maxDelayMs, steadyMs } = this.#limits;
		const random = this.#options.random ?? Math.random;

		this.#drop();
		if (this.#liveSince !== null && Date.now() - this.#liveSince >= steadyMs)
			this.#failures = 0;
		if (delayMs === undefined) {
			const most = Math.min(maxDelayMs, firstDelayMs * 2 ** this.#failures);
			/* half of it random, so that a hundred phones do not return as one */
			delayMs = most / 2 + random() * most / 2;
			this.#failures++;
		}
		this.#enter('waiting', Date.now() + delayMs);
		this.#arm(delayMs, () => this.#open());
	}

	#line(text)
	{
		let frame;

		this.#heardAt = Date.now();
		this.#watch();
		if (text === 'PING') {
			this.#socket.send('PONG');
			return;
		}
		try {
			frame = JSON.parse(text);
		} catch {
			return;         /* not a frame of ours, and not an event */
		}
		if (typeof frame?.type !== 'string')
			return;
		const known = FRAMES.get(frame.type);
		if (known)
			known(this, frame);
		else if (Number.isSafeInteger(frame.seq))
			this.#event(frame);
		else
			this.#options.onHint?.(frame);
	}

	#event(event)
	{
		if (this.#seq !== null && event.seq <= this.#seq)
			return;         /* seen */
		if (this.#seq !== null && event.seq > this.#seq + 1) {
			this.#lost();
			return;
		}
		try {
			this.#options.onEvent(event);
		} catch (fault) {
			/* half applied: only a fresh list is sure */
			console.error('event not applied', event, fault);
			this.#reset('NOT_APPLIED');
			return;
		}
		this.#seq = event.seq;
		this.#position = event.position;
	}

	/*
	 * seq has no holes, so one means a lost event: ask again from before it. A
	 * second time at the same place the server does not have it either.
	 */
	#lost()
	{
		if (this.#hole === this.#position) {
			this.#reset('HOLE');
			return;
		}
		this.#hole = this.#position;
		this.#retry();
	}

	#reset(reason)
	{
		this.stop();
		this.#options.onReset(reason);
	}

	#connected(frame)
	{
		this.#dumb = 0;
		this.#position ??= frame.position;
		this.#heartbeatMs = frame.heartbeatMs ?? this.#heartbeatMs;
		this.#liveSince = Date.now();
		this.#enter('live');
		this.#watch();
	}

	/*
	 * The heartbeat names the kitchen's newest position. Other than ours: an
	 * event is on its way, or lost. Not moved by the next heartbeat: lost, so
	 * open anew after what we have.
	 */
	#heartbeat(frame)
	{
		if (frame.position === this.#position)
			this.#behind = null;
		else if (this.#behind === this.#position)
			this.#retry(0);
		else
			this.#behind = this.#position;
	}

	#disconnect(frame)
	{
		if (frame.reconnect !== false) {
			this.#retry();
			return;
		}
		this.stop();
		this.#options.onEnd(frame.code, frame.message);
	}

	static frames = new Map([
		['connected', (feed, frame) => feed.#connected(frame)],
		['heartbeat', (feed, frame) => feed.#heartbeat(frame)],
		['reset', (feed, frame) => feed.#reset(frame.reason)],
		['reconnect', (feed, frame) => feed.#retry(frame.afterMs ?? 0)],
		['disconnect', (feed, frame) => feed.#disconnect(frame)],
		['pong', () => {}],
	]);

	/** Any frame proves the line alive; too long without one, it is dead. */
	#watch()
	{
		this.#arm(this.#heartbeatMs * this.#limits.silence, () => this.#retry());
	}

	#arm(ms, run)
	{
		clearTimeout(this.#timer);
		this.#timer = setTimeout(run, ms);
	}

	#enter(state, retryAt = null)
	{
		this.#state = { state, failures: this.#failures, retryAt };
		this.#options.onState?.(this.#state);
	}
}

const FRAMES = Feed.frames;
