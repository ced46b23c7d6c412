/*
 * Waiting for something to become true, never for time to pass. The limits
 * are generous: they only turn a hang into a failure with a name.
 */

/** Reject with `what` when `promise` is not settled after `ms`. */
export async function within(ms, what, promise)
{
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(
			`no ${typeof what === 'function' ? what() : what} within ${ms} ms`)), ms);
	});
	try {
		return await Promise.race([promise, late]);
	} finally {
		clearTimeout(timer);
	}
}

/**
 * Ask `probe` again and again until it gives something true, for states that
 * nobody announces (a process gone, a row there).
 */
export async function until(what, probe, ms = 15_000)
{
	const end = Date.now() + ms;
	let last;

	for (let pause = 2;; pause = Math.min(pause * 2, 100)) {
		try {
			const value = await probe();
			if (value)
				return value;
			last = undefined;
		} catch (error) {
			last = error;
		}
		if (Date.now() > end)
			throw new Error(`no ${what} within ${ms} ms`, { cause: last });
		await new Promise((resolve) => setTimeout(resolve, pause));
	}
}
