/* The actions as a plain CGI program, as shared hosts run them. */
import assert from 'node:assert/strict';
import { env, origin } from './env.js';
import { start } from './proc.js';
import { within } from './wait.js';

/** One request through the program's environment and standard input; gives { status, headers, body, text }. */
export async function cgi(method, path, { body = '', conf = env.DAPUR_CONF, ...more } = {})
{
	const { host, hostname, port } = new URL(env.URL);
	const [, query = ''] = path.split('?');
	const child = start('cgi-bin/api.fcgi', ['-c', conf], {
		PATH: process.env.PATH, GATEWAY_INTERFACE: 'CGI/1.1', SERVER_PROTOCOL: 'HTTP/1.1',
		REQUEST_METHOD: method, REQUEST_URI: path, QUERY_STRING: query, SCRIPT_NAME: '/api',
		SERVER_NAME: hostname, SERVER_PORT: port, HTTP_HOST: host, REMOTE_ADDR: '127.0.0.1',
		CONTENT_LENGTH: body ? String(Buffer.byteLength(body)) : '',
		CONTENT_TYPE: body ? 'application/json' : '', HTTP_ORIGIN: origin, ...more,
	});
	const out = [];

	child.stdout.on('data', (chunk) => out.push(chunk));
	child.stderr.resume();
	child.stdin.end(body);
	const ended = await within(20_000, 'end of the CGI', child.exited);
	const text = Buffer.concat(out).toString('utf8');
	const at = text.indexOf('\r\n\r\n');
	const headers = Object.fromEntries(text.slice(0, at).split('\r\n').map((line) => {
		const colon = line.indexOf(':');
		return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
	}));
	assert.ok(at > 0, `no CGI answer (${JSON.stringify(ended)}): ${text.slice(0, 200)}`);
	assert.equal(ended.signal, null);
	return { status: Number((headers.status ?? '200').slice(0, 3)), headers,
	    body: JSON.parse(text.slice(at + 4)), text };
}
