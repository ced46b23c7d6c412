/*
 * day: the kitchen's day and clock.
 *
 * "Today" is the calendar day in the kitchen's time zone, whatever zone the
 * phone is set to; Asia/Jakarta until the log-in says otherwise. Indonesia has
 * three zones and no summer time.
 */

const ZONES = {
	'Asia/Jakarta': { name: 'WIB', offset: '+07:00' },
	'Asia/Pontianak': { name: 'WIB', offset: '+07:00' },
	'Asia/Makassar': { name: 'WITA', offset: '+08:00' },
	'Asia/Jayapura': { name: 'WIT', offset: '+09:00' },
};

let zone;
let parts;

/** Sets the kitchen's zone, an IANA name; one outside Indonesia is Asia/Jakarta. */
export function setZone(timeZone)
{
	const known = timeZone in ZONES ? timeZone : 'Asia/Jakarta';

	zone = ZONES[known];
	parts = new Intl.DateTimeFormat('en-CA', {
		timeZone: known, hourCycle: 'h23', year: 'numeric', month: '2-digit',
		day: '2-digit', hour: '2-digit', minute: '2-digit',
	});
}

setZone('Asia/Jakarta');

/** "WIB", "WITA" or "WIT" */
export const zoneName = () => zone.name;

const longDay = new Intl.DateTimeFormat('id-ID', {
	timeZone: 'UTC', weekday: 'long', day: 'numeric', month: 'long', year: 'numeric',
});
const shortDay = new Intl.DateTimeFormat('id-ID', {
	timeZone: 'UTC', day: 'numeric', month: 'short',
});

/** Instant (Date, ms or RFC 3339 text) -> "YYYY-MM-DDTHH:MM" of the kitchen. */
export function local(instant)
{
	const p = {};

	for (const { type, value } of parts.formatToParts(new Date(instant)))
		p[type] = value;
	return `${p.year}-${p.month}-${p.day}T${p.hour}:${p.minute}`;
}

/** "YYYY-MM-DDTHH:MM" of the kitchen -> RFC 3339. */
export function instant(text)
{
	return `${text}:00${zone.offset}`;
}

/** The kitchen's calendar day now, "YYYY-MM-DD". */
export function today()
{
	return local(Date.now()).slice(0, 10);
}

/** The day of a production: a plain date stays what it is. */
export function dayOf(date)
{
	return date.length === 10 ? date : local(date).slice(0, 10);
}

/** The day `n` days after `day`. */
export function plusDays(day, n)
{
	const date = new Date(`${day}T00:00:00Z`);

	date.setUTCDate(date.getUTCDate() + n);
	return date.toISOString().slice(0, 10);
}

/** "Minggu, 22 November 2026" */
export function dayText(day)
{
	return longDay.format(new Date(`${day}T00:00:00Z`));
}

/** "05.30", as clocks are written in Indonesian; "–" for none. */
export function clock(instant)
{
	return instant ? local(instant).slice(11).replace(':', '.') : '–';
}

/** "22 Nov 05.30" */
export function moment(instant)
{
	const at = local(instant);

	return `${shortDay.format(new Date(`${at.slice(0, 10)}T00:00:00Z`))} ${clock(instant)}`;
}

/** "22 Nov 05.30–08.00"; the second day only when it is another. */
export function span(from, to)
{
	if (!to)
		return `${moment(from)}–`;
	return `${moment(from)}–${dayOf(from) === dayOf(to) ? clock(to) : moment(to)}`;
}
