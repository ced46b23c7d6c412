/*
 * What a client of the feed has got, whatever carried it: the frames in the
 * order they came, and the waiting for one of them.
 */
import { within } from './wait.js';

export class Inbox {
	constructor()
	{
		this.frames = [];	/* parsed; bare text as { text } */
		this.lines = [];	/* as they came */
		this.waiting = new Set();
		this.seen = 0;
		this.ended = false;
		this.at = undefined;	/* the position to come back with */
		this.closed = new Promise((resolve) => { this.resolveClosed = resolve; });
	}

	/** One more line. */
	take(line)
	{
		let frame;

		try {
			frame = JSON.parse(line);
		} catch {
			frame = { text: line };
		}
		this.lines.push(line);
		this.frames.push(frame);
		if (frame?.type === 'reset')
			this.at = frame.head;
		else if (typeof frame?.position === 'string')
			this.at = frame.position;
		this.#wake();
	}

	/** Nothing comes any more. */
	finish(code)
	{
		this.ended = true;
		this.#wake();
		this.resolveClosed(code);
	}

	#wake()
	{
		for (const look of [...this.waiting])
			look();
	}

	/**
	 * The next frame (after those already taken) for which `match` holds: a
	 * function, or the frame's type. Frames passed over are in .frames still.
	 */
	next(match, ms = 15_000)
	{
		const fits = typeof match === 'function' ? match : (f) => f.type === match;
		const found = new Promise((resolve, reject) => {
			const look = () => {
				while (this.seen < this.frames.length) {
					const frame = this.frames[this.seen++];
					if (fits(frame)) {
						this.waiting.delete(look);
						resolve(frame);
						return;
					}
				}
				if (this.ended) {
					this.waiting.delete(look);
					reject(new Error(`stream ended before ${match}; saw\n`
					    + this.lines.slice(-5).join('\n')));
				}
			};
			this.waiting.add(look);
			look();
		});
		return within(ms, () => `frame ${match}; saw ${this.lines.length}, last\n`
		    + this.lines.slice(-3).join('\n'), found);
	}

	/** The frames that are events of the log (they have a seq), in order. */
	get events()
	{
		return this.frames.filter((f) => Number.isInteger(f?.seq));
	}

	/** The frames of one type. */
	of(type)
	{
		return this.frames.filter((f) => f?.type === type);
	}
}
