/* The event log in PostgreSQL, and whether a feed has got it: each event once, in order, nothing else. */
import assert from 'node:assert/strict';
import { owner } from './db.js';
import { position } from './expect.js';
import { until } from './wait.js';

/** Where a tenant's log stands: { epoch, seq, floor, position }. */
export async function headOf(t)
{
	const { rows: [head] } = await owner(`SELECT epoch, seq::int AS seq, floor::int AS floor
	    FROM dapur.tenant_head WHERE sppg_id = $1`, [t.id]);

	return { ...head, position: `${head.epoch}.${head.seq}` };
}

/** The events behind a seq: [{ seq, line, event }]. */
export async function logOf(t, after = 0)
{
	const { rows } = await owner(`SELECT seq::int AS seq, line FROM dapur.event
	    WHERE sppg_id = $1 AND seq > $2 ORDER BY seq`, [t.id, after]);

	return rows.map((row) => ({ ...row, event: JSON.parse(row.line) }));
}

/**
 * Wait until a feed has what the log has now, and compare: from its `after`
 * (a position; where it was connected) to the head each event once, in order,
 * as the log has it. Gives the number of events.
 */
export async function hasAll(feed, t, { after = feed.connected.position, ms = 20_000 } = {})
{
	const { seq: from } = position(after);
	const head = await headOf(t);
	const last = () => feed.events.at(-1)?.seq ?? from;

	await until(`seq ${head.seq} over ${feed.carrier ?? 'the feed'}`, () => {
		if (feed.ended && last() < head.seq)
			throw new Error(`it ended: ${feed.lines.at(-1)}`);
		return last() >= head.seq;
	}, ms);
	const log = (await logOf(t, from)).slice(0, feed.events.length);
	const lines = feed.lines.filter((_, n) => Number.isInteger(feed.frames[n]?.seq));
	assert.deepEqual(feed.events.map((f) => f.seq), log.map((row) => row.seq), feed.carrier);
	assert.deepEqual(feed.events, log.map((row) => row.event), feed.carrier);
	if (feed.carrier !== 'long poll')	/* a page's events are members of a greater whole */
		assert.deepEqual(lines, log.map((row) => row.line), feed.carrier);
	return feed.events.length;
}

/** Wait until Redis has a tenant's head, whoever brings it; gives the head. */
export async function relayed(client, t, ms = 15_000)
{
	const head = await headOf(t);

	await until(`${head.position} in Redis`, async () =>
		await client.get(`dapur:{${t.id}}:head`) === head.position, ms);
	return head;
}

/** hasAll() of several feeds. */
export const allHaveAll = (feeds, t, options) => Promise.all(feeds.map((feed) => hasAll(feed, t, options)));
