/*
 * api: calls of the server. One function per action; each resolves to
 * {data, pagination, position} or throws an ApiError. Never touches the page.
 */

const TIMEOUT_MS = 15_000;
const PAGE = 100;

/**
 * What went wrong. `code` is the server's (CONFLICT, INVALID...) or ours:
 * NETWORK, TIMEOUT, NOT_JSON. `errors` is [{path, code, message}], maybe empty;
 * `retryAfter` is in seconds, or null.
 */
export class ApiError extends Error {
	constructor(fault)
	{
		super(fault.error ?? fault.code);
		this.name = 'ApiError';
		this.status = fault.status ?? 0;
		this.code = fault.code;
		this.errors = fault.errors ?? [];
		this.retryAfter = fault.retryAfter ?? null;
		this.requestId = fault.requestId ?? null;
	}
}

function address(path, query = {})
{
	const url = new URL(path, location.origin);

	for (const [name, value] of Object.entries(query))
		url.searchParams.set(name, value);
	return url;
}

async function send(url, init)
{
	const control = new AbortController();
	const timer = setTimeout(() => control.abort(), TIMEOUT_MS);

	try {
		const reply = await fetch(url, { ...init, signal: control.signal });
		return { reply, text: await reply.text() };
	} catch {
		throw new ApiError({ code: control.signal.aborted ? 'TIMEOUT' : 'NETWORK' });
	} finally {
		clearTimeout(timer);
	}
}

/** A gateway's HTML page is not ours; its status still says something. */
function parse(text, status)
{
	try {
		return JSON.parse(text);
	} catch {
		throw new ApiError({
			status, code: status >= 500 ? 'UNAVAILABLE' : 'NOT_JSON',
		});
	}
}

async function call(method, path, { query, body, key } = {})
{
	const headers = { Accept: 'application/json' };

	if (body !== undefined)
		headers['Content-Type'] = 'application/json';
	if (key !== undefined)
		headers['Idempotency-Key'] = key;

	const { reply, text } = await send(address(path, query), {
		method, headers, body: body && JSON.stringify(body),
		credentials: 'same-origin', cache: 'no-cache',  /* ask each time, by ETag */
	});
	const json = parse(text, reply.status);
	if (!reply.ok || json.success !== true) {
		throw new ApiError({
			...json, status: reply.status,
			code: json.code ?? 'INTERNAL',
			retryAfter: Number(reply.headers.get('Retry-After')) || null,
		});
	}
	return {
		data: json.data,
		pagination: json.pagination,
		position: reply.headers.get('X-Stream-Position') ?? json.position,
	};
}

/**
 * A writer that may be asked again: the same body carries the same
 * Idempotency-Key until it succeeds, so "save" twice on a bad line saves once.
 */
export function retryable(write)
{
	let last = { text: null, key: null };

	return async (body) => {
		const text = JSON.stringify(body);
		if (last.text !== text)
			last = { text, key: newKey() };
		const answer = await write(body, last.key);
		last = { text: null, key: null };
		return answer;
	};
}

/* crypto.randomUUID() is missing on plain http, which a kitchen may use */
function newKey()
{
	const bytes = crypto.getRandomValues(new Uint8Array(16));

	return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

export const session = {
	get: () => call('GET', '/api/session'),
	open: (email, password) =>
		call('POST', '/api/session', { body: { email, password } }),
	close: () => call('DELETE', '/api/session'),
};

const one = (id) => `/api/production/${encodeURIComponent(id)}`;

export const production = {
	/** All of one day, with the position of that very moment. */
	async day(day)
	{
		for (let tries = 0; tries < 5; tries++) {
			const whole = await everyPage('/api/production', { from: day, to: day });
			if (whole)
				return whole;
		}
		throw new ApiError({ code: 'UNAVAILABLE', status: 503 });
	},
	create: (body, key) => call('POST', '/api/production', { body, key }),
	setStatus: (id, body, key) =>
		call('PATCH', `${one(id)}/status`, { body, key }),
	addCheck: (id, body, key) =>
		call('POST', `${one(id)}/quality-checks`, { body, key }),
	checks: (id) => call('GET', `${one(id)}/quality-checks`),
	events: (id) => call('GET', `${one(id)}/events`),
};

/** null when somebody wrote between two pages: they are not one list then. */
async function everyPage(path, query)
{
	const rows = [];
	let position = null;

	for (let page = 1, pages = 1; page <= pages; page++) {
		const answer = await call('GET', path, { query: { ...query, page, limit: PAGE } });
		position ??= answer.position;
		if (answer.position !== position)
			return null;
		rows.push(...answer.data);
		pages = answer.pagination?.pages ?? 1;
	}
	return { data: rows, position };
}

/* what the forms offer: one answer, no pages */
export const program = { list: () => call('GET', '/api/program') };
export const menu = { list: () => call('GET', '/api/menu') };
export const staff = { list: () => call('GET', '/api/staff') };
