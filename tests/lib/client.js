/*
 * A small HTTP client with a cookie jar, built on node:http so that a test
 * may send what a browser never would (odd paths, any Origin, raw bytes)
 * and may come from its own loopback address (log-in is throttled by it).
 *
 * Every answer under /api is checked against what dapur-api(7) says of all
 * replies: JSON, a request id, caching and the security headers.
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import https from 'node:https';
import { env, password } from './env.js';
import { within } from './wait.js';

const base = new URL(env.URL || 'http://127.0.0.1:1');
const writes = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

let nextAddress = Math.floor(Math.random() * 0xfffff0);

/** An address of 127.0.0.0/8 that no other test uses (not 127.0.0.x). */
export function ownAddress()
{
	const n = 0x10000 + (nextAddress++ % 0xfe0000);
	return `127.${(n >> 16) & 255}.${(n >> 8) & 255}.${1 + (n & 253)}`;
}

function parseSetCookie(line)
{
	const [pair, ...rest] = line.split(/;\s*/);
	const at = pair.indexOf('=');
	const attributes = {};

	for (const part of rest) {
		const [name, ...value] = part.split('=');
		attributes[name.toLowerCase()] = value.join('=');
	}
	return { name: pair.slice(0, at), value: pair.slice(at + 1), attributes };
}

function checkReply(r)
{
	const what = `${r.method} ${r.path} -> ${r.status}`;
	const type = r.headers['content-type'] ?? '';
	const header = (name, pattern) => assert.match(
		r.headers[name] ?? '', pattern, `${name} of ${what}`);

	if (r.status !== 304)
		assert.match(type, /^application\/(problem\+)?json\b/, `${what}: ${r.text}`);
	if (r.method !== 'HEAD' && r.status !== 304)
		assert.equal(typeof r.body, 'object', `JSON body of ${what}: ${r.text}`);
	assert.ok(Buffer.from(r.text, 'utf8').equals(r.raw), `invalid UTF-8 from ${what}`);
	header('x-request-id', /^[\x21-\x7e]{8,128}$/);
	header('cache-control', /no-store|no-cache|private|max-age/);
	header('x-content-type-options', /^nosniff$/);
	assert.ok(!('x-powered-by' in r.headers), `x-powered-by of ${what}`);
	assert.ok(!('status' in r.headers), `CGI Status leaked by ${what}`);
}

export class Client {
	/** url: another web server than the stack's own. */
	constructor({ address = ownAddress(), url = base } = {})
	{
		this.base = new URL(url);
		this.transport = this.base.protocol === 'https:' ? https : http;
		this.address = address;
		this.jar = new Map();
		this.agent = new this.transport.Agent({
			keepAlive: true, maxSockets: 64, rejectUnauthorized: false,
		});
		this.agent.on?.('free', (socket) => socket.unref?.());
	}

	/** The Cookie header of the next request, or undefined. */
	get cookie()
	{
		const all = [...this.jar].map(([name, value]) => `${name}=${value}`);
		return all.length > 0 ? all.join('; ') : undefined;
	}

	/** The session's token, as the cookie holds it. */
	get token()
	{
		for (const [name, value] of this.jar)
			if (/(^|__Host-)dapur_session$/.test(name))
				return value;
		return undefined;
	}

	/**
	 * Send one request.
	 *
	 * in   options.body   a value sent as JSON, or options.raw: bytes as they are
	 *      options.type   Content-Type (application/json with a body)
	 *      options.origin null for none; writes send the page's own otherwise
	 *      options.check  false when the answer need not look like ours
	 * out  { status, headers, body, text, raw, setCookie }
	 */
	async request(method, path, options = {})
	{
		const raw = options.raw !== undefined ? Buffer.from(options.raw)
			: options.body !== undefined ? Buffer.from(JSON.stringify(options.body))
			: undefined;
		const headers = { accept: 'application/json' };

		if (this.cookie)
			headers.cookie = this.cookie;
		if (raw !== undefined) {
			headers['content-length'] = String(raw.length);
			if (options.type !== null)
				headers['content-type'] = options.type ?? 'application/json';
		} else if (writes.has(method)) {
			headers['content-length'] = '0';
		}
		if (options.origin !== null && (writes.has(method) || options.origin))
			headers.origin = options.origin ?? this.base.origin;
		for (const [name, value] of Object.entries(options.headers ?? {}))
			if (value === null)
				delete headers[name.toLowerCase()];
			else
				headers[name.toLowerCase()] = value;

		const r = await within(60_000, `answer to ${method} ${path}`,
		    this.#exchange(method, path, headers, raw));

		for (const cookie of r.setCookie) {
			const age = cookie.attributes['max-age'];
			const gone = cookie.value === '' || age === '0'
			    || (age === undefined && cookie.attributes.expires
			    && new Date(cookie.attributes.expires) < new Date());
			if (gone)
				this.jar.delete(cookie.name);
			else
				this.jar.set(cookie.name, cookie.value);
		}
		if (options.check !== false)
			checkReply(r);
		return r;
	}

	#exchange(method, path, headers, raw)
	{
		return new Promise((resolve, reject) => {
			const req = this.transport.request({
				host: this.base.hostname, port: this.base.port, method, path, headers,
				agent: this.agent, localAddress: this.address,
			}, (res) => {
				const chunks = [];
				res.on('data', (chunk) => chunks.push(chunk));
				res.on('error', reject);
				res.on('end', () => {
					const bytes = Buffer.concat(chunks);
					const r = {
						method, path, status: res.statusCode, headers: res.headers,
						raw: bytes, text: bytes.toString('utf8'), body: undefined,
						setCookie: (res.headers['set-cookie'] ?? []).map(parseSetCookie),
					};
					try {
						r.body = JSON.parse(r.text);
					} catch { /* checkReply says so */ }
					resolve(r);
				});
			});
			req.on('error', reject);
			req.end(raw);
		});
	}

	get(path, options) { return this.request('GET', path, options); }
	head(path, options) { return this.request('HEAD', path, options); }
	post(path, body, options) { return this.request('POST', path, { body, ...options }); }
	put(path, body, options) { return this.request('PUT', path, { body, ...options }); }
	patch(path, body, options) { return this.request('PATCH', path, { body, ...options }); }
	delete(path, options) { return this.request('DELETE', path, options); }

	/** Log in; fails the test when the server does not let us. */
	async login(email, word = password)
	{
		const r = await this.post('/api/session', { email, password: word });
		assert.ok(r.status === 200 || r.status === 201, `log in as ${email}: ${r.status} ${r.text}`);
		assert.ok(this.token, `log in as ${email} gave no session cookie`);
		return r.body.data;
	}
}
