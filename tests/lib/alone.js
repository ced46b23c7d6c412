/*
 * dapur-stream and events.fcgi alone, started as a web server starts them: a
 * stream each, with settings of the test's own (a short heartbeat, say), and
 * the same face as the feeds of feeds.js.
 */
import assert from 'node:assert/strict';
import { env, origin } from './env.js';
import { Sse, queryOf } from './feeds.js';
import { Inbox } from './inbox.js';
import { start } from './proc.js';
import { within } from './wait.js';

const address = () => {
	const { host, hostname, port } = new URL(env.URL);
	return { host, hostname, port };
};

/* What both have in common; undefined members are left out. */
function begin(inbox, program, environment, conf)
{
	const child = start(program, ['-c', conf ?? env.DAPUR_CONF],
	    Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined)));

	child.stderr.resume();
	child.stdout.setEncoding('utf8');
	child.stdout.on('close', () => inbox.finish());
	child.stdout.on('error', () => {});
	inbox.child = child;
	inbox.pause = () => child.stdout.pause();
	inbox.resume = () => child.stdout.resume();
	inbox.close = () => {
		child.stdin.end();
		child.kill();
		return within(15_000, 'exit', child.exited);
	};
	return inbox;
}

const asan = (name) => (process.env[name] ? { [name]: process.env[name] } : {});

/** dapur-stream under a pretended websocketd. */
export function streamAlone(who, options = {})
{
	const { hostname, port } = address();
	const inbox = begin(new Inbox(), 'ws/dapur-stream', {
		PATH: process.env.PATH, ...asan('ASAN_OPTIONS'), ...asan('UBSAN_OPTIONS'),
		GATEWAY_INTERFACE: 'websocketd-CGI/0.1', REQUEST_METHOD: 'GET', REQUEST_URI: '/api/ws',
		QUERY_STRING: queryOf(options), SERVER_NAME: hostname, SERVER_PORT: port,
		HTTP_COOKIE: options.cookie ?? who?.cookie,
		HTTP_ORIGIN: options.origin === null ? undefined : options.origin ?? origin, ...options.environment,
	}, options.conf);
	let rest = '';

	inbox.carrier = 'dapur-stream alone';
	inbox.child.stdout.on('data', (text) => {
		const lines = (rest + text).split('\n');
		rest = lines.pop();
		lines.forEach((line) => inbox.take(line));
	});
	return inbox;
}

/** events.fcgi as a plain CGI program; its answer's headers are in .head. */
export function eventsAlone(who, options = {})
{
	const { host, hostname, port } = address();
	const query = queryOf(options, options.more);
	const inbox = begin(new Sse(), 'cgi-bin/events.fcgi', {
		PATH: process.env.PATH, ...asan('ASAN_OPTIONS'), ...asan('UBSAN_OPTIONS'),
		GATEWAY_INTERFACE: 'CGI/1.1', SERVER_PROTOCOL: 'HTTP/1.1', REQUEST_METHOD: 'GET',
		REQUEST_URI: `/api/events?${query}`, QUERY_STRING: query, SCRIPT_NAME: '/api',
		SERVER_NAME: hostname, SERVER_PORT: port, HTTP_HOST: host, REMOTE_ADDR: '127.0.0.1',
		HTTP_ACCEPT: 'text/event-stream', HTTP_COOKIE: options.cookie ?? who?.cookie,
		HTTP_ORIGIN: options.origin ?? undefined, ...options.environment,
	}, options.conf);
	let rest = '';

	inbox.carrier = 'events.fcgi alone';
	inbox.child.stdout.on('data', (text) => {
		if (inbox.head !== undefined) {
			inbox.text(text);
			return;
		}
		rest += text;
		const at = rest.indexOf('\r\n\r\n');
		if (at < 0)
			return;
		inbox.head = rest.slice(0, at);
		inbox.text(rest.slice(at + 4));
	});
	return inbox;
}

/** Both, connected. */
export async function openAlone(who, options = {})
{
	const feeds = [streamAlone(who, options), eventsAlone(who, options)];

	for (const feed of feeds) {
		feed.connected = await feed.next(() => true);
		assert.equal(feed.connected.type, 'connected', feed.lines[0]);
	}
	return feeds;
}
