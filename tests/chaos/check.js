/*
 * The checker. It knows nothing of how Dapur works: only the log as it
 * stands in PostgreSQL, what was acknowledged to whom, and what each client
 * wrote down. check() gives the violations, one sentence each.
 */
import { hash, position } from './clients.js';

/** Reads the log once: { lines: [{ seq, event, raw, same }] } of one tenant, in order. */
function read(rows, bad, tenant)
{
	const lines = [];

	for (const { seq, line } of rows) {
		let event;
		try {
			event = JSON.parse(line);
		} catch {
			bad(`log of ${tenant}: ${seq} is not JSON: ${line.slice(0, 200)}`);
			event = {};
		}
		lines.push({ seq: Number(seq), event, raw: hash(line), same: hash(JSON.stringify(event)) });
	}
	return lines;
}

/** seq dense from 1, one epoch, each line about its own tenant. */
function checkLog(tenant, lines, bad)
{
	const epochs = new Set();

	lines.forEach(({ seq, event }, i) => {
		const at = position(event.position);
		if (seq !== i + 1)
			bad(`log of ${tenant}: ${seq} stands where ${i + 1} belongs`);
		if (event.seq !== seq || at?.seq !== seq)
			bad(`log of ${tenant}: ${seq} says seq ${event.seq}, position ${event.position}`);
		if (event.sppgId !== tenant)
			bad(`log of ${tenant}: ${seq} is of ${event.sppgId}`);
		epochs.add(at?.epoch);
	});
	if (epochs.size > 1)
		bad(`log of ${tenant}: epochs ${[...epochs].join(', ')}`);
	return [...epochs][0];
}

/** Is this event the one that the act must leave? */
function fits(act, event)
{
	const object = act.type === 'quality_check_added' ? event.productionId : event.data?.id;

	return event.type === act.type
	    && (act.id === undefined || (act.of ? event.data?.id : object) === act.id)
	    && (act.of === undefined || event.productionId === act.of)
	    && (act.to === undefined || (event.to === act.to && event.from === act.from))
	    && (act.mark === undefined || event.data?.notes === act.mark)
	    && (act.menuName === undefined || event.data?.menuName === act.menuName);
}

/** What acts and events are looked up by. */
const actKey = (act) => [act.type, act.mark ?? act.menuName ?? '', act.mark || act.menuName ? '' : act.id, act.to ?? ''].join('|');

function eventKeys(event)
{
	const notes = event.data?.notes ?? '', name = event.data?.menuName ?? '';

	switch (event.type) {
	case 'status_changed':
	case 'production_deleted':
		return [[event.type, '', event.productionId, event.to ?? ''].join('|')];
	default:
		return [...new Set([notes, name])].filter((mark) => mark !== '')
		    .map((mark) => [event.type, mark, '', ''].join('|'));
	}
}

/** Every acknowledged act stands in the log once, at its position; nothing else stands there. */
function checkActs(tenant, lines, acts, firstSeq, bad)
{
	const found = new Map();

	for (const act of acts)
		found.set(actKey(act), { act, at: [] });
	for (const { seq, event } of lines) {
		if (seq <= firstSeq)
			continue;
		const hit = eventKeys(event).map((key) => found.get(key)).find((h) => h !== undefined);
		if (hit && fits(hit.act, event))
			hit.at.push(seq);
		else
			bad(`log of ${tenant}: nobody asked for ${seq}: ${JSON.stringify(event).slice(0, 300)}`);
	}
	for (const { act, at } of found.values()) {
		const ack = act.acknowledged;
		if (at.length > 1)
			bad(`${tenant}: ${act.key} (${act.type}) was done ${at.length} times: ${at.join(', ')}`);
		if (ack && at.length === 0)
			bad(`${tenant}: ${act.key} (${act.type}) was acknowledged`
			    + ` at ${ack.position ?? '-'} and is not in the log`);
		if (ack?.position !== undefined && at.length === 1 && position(ack.position)?.seq !== at[0])
			bad(`${tenant}: ${act.key} (${act.type}) was acknowledged`
			    + ` at ${ack.position} and stands at ${at[0]}`);
		if (!ack)
			bad(`${tenant}: ${act.key} (${act.type}) was never acknowledged`);
	}
}

/** Each event after its start once, in order, as it stands in the log. */
function checkClient(client, lines, epoch, bad)
{
	const say = (text) => bad(`${client.name}: ${text}`);
	const start = position(client.start);
	const head = lines.length;

	for (const text of client.trouble.slice(0, 3))
		say(text);
	if (!start) {
		say('never learned a position');
		return;
	}
	if (start.epoch !== epoch)
		say(`began at ${client.start}, the log's epoch is ${epoch}`);
	let last = start.seq;
	for (const record of client.records) {
		if (record.opened !== undefined) {
			const want = record.after === undefined ? undefined : position(record.after);
			if (want && position(record.opened)?.seq !== want.seq)
				say(`asked for what follows ${record.after}, was connected at ${record.opened}`);
			else if (!want && position(record.opened)?.seq !== last)
				say(`was connected at ${record.opened}, had seen ${last}`);
			continue;
		}
		if (record.beat !== undefined) {
			const at = position(record.beat);
			if (at?.epoch !== epoch || at.seq !== last)
				say(`a heartbeat says ${record.beat}, seen was ${last}`);
			continue;
		}
		const line = lines[record.seq - 1];
		if (record.seq <= last) {
			say(`got ${record.seq} again after ${last}`);
			return;
		}
		if (record.seq !== last + 1) {
			say(`got ${record.seq} after ${last}: ${record.seq - last - 1} missing`);
			return;
		}
		if (!line || (line.raw !== record.raw && (client.kind !== 'poll' || line.same !== record.same))) {
			say(`got another ${record.seq} than the log has`);
			return;
		}
		last = record.seq;
	}
	if (last !== head)
		say(`stands at ${last}, the log's head is ${head}`);
}

/** The ids that occur in a tenant's lines. */
function idsOf(lines)
{
	const ids = new Set();

	for (const { event } of lines)
		for (const id of [event.data?.id, event.productionId])
			if (id && id.length >= 16)
				ids.add(id);
	return ids;
}

/** Frames that are no events hold no other tenant's id. (Events equal their own log's lines.) */
function checkOthers(clients, logs, bad)
{
	const owner = new Map();

	for (const [tenant, lines] of logs)
		for (const id of idsOf(lines))
			owner.set(id, tenant);
	for (const client of clients)
		for (const text of client.others)
			for (const [id] of text.matchAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g))
				if (owner.has(id) && owner.get(id) !== client.tenant.id)
					bad(`${client.name}: ${id} of ${owner.get(id)} in ${text.slice(0, 200)}`);
}

/**
 * in   log      rows { sppg_id, seq, line } of every tenant, by sppg_id and seq
 *      firstSeq { tenant id: its head before the load began }
 *      acts     what load.js began;  clients  what clients.js recorded
 * out  violations, in the order: log, acts, clients
 */
export function check({ log, firstSeq, acts, clients })
{
	const violations = [];
	const bad = (text) => violations.push(text);
	const logs = new Map();

	for (const tenant of Object.keys(firstSeq)) {
		const lines = read(log.filter((row) => row.sppg_id === tenant), bad, tenant);
		logs.set(tenant, lines);
		const epoch = checkLog(tenant, lines, bad);
		checkActs(tenant, lines, acts.filter((act) => act.tenant === tenant), firstSeq[tenant], bad);
		for (const client of clients)
			if (client.tenant.id === tenant)
				checkClient(client, lines, epoch, bad);
	}
	checkOthers(clients, logs, bad);
	return violations;
}
