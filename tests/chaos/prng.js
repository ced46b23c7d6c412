/*
 * Random numbers that a seed repeats. Everybody who decides something draws
 * from a stream of his own (Rng(seed, 'client', 3)), so what one does, and
 * when, never changes what another decides.
 */

function hash32(text)
{
	let h = 0x811c9dc5;

	for (const c of text)
		h = Math.imul(h ^ c.codePointAt(0), 0x01000193);
	h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
	h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
	return (h ^ (h >>> 16)) >>> 0;
}

export class Rng {
	constructor(seed, ...names)
	{
		this.state = hash32([seed, ...names].join('/'));
	}

	/** 0 <= x < 1 (mulberry32). */
	next()
	{
		this.state = (this.state + 0x6d2b79f5) >>> 0;
		let t = this.state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 0x100000000;
	}

	/** A whole number from low to high, both included. */
	int(low, high) { return low + Math.floor(this.next() * (high - low + 1)); }
	chance(p) { return this.next() < p; }
	pick(list) { return list[this.int(0, list.length - 1)]; }

	/** A pause: mostly short, sometimes long, at most five times the mean. */
	pause(mean_ms)
	{
		return Math.min(-Math.log(1 - this.next()) * mean_ms, mean_ms * 5);
	}

	shuffle(list)
	{
		const out = [...list];

		for (let i = out.length - 1; i > 0; i--) {
			const j = this.int(0, i);
			[out[i], out[j]] = [out[j], out[i]];
		}
		return out;
	}

	/** Some of the list, at least one unless it is empty. */
	some(list) { return this.shuffle(list).slice(0, this.int(1, list.length)); }
}
