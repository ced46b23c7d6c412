/*
 * What `./dev test` exports for the suites, in one place. A missing stack
 * skips every test on a person's machine and fails when CI=true.
 */
import test from 'node:test';

const names = [
	'URL', 'WS_URL', 'DATABASE_URL', 'APP_DATABASE_URL', 'REDIS_URL',
	'DAPUR_BIN', 'DAPUR_CONF', 'DAPUR_RUN',
];

export const missing = names.filter((name) => !process.env[name]);

if (missing.length > 0) {
	if (process.env.CI === 'true')
		throw new Error(`not set: ${missing.join(' ')}; run this by ./dev test`);
	test(`skipped: ${missing.join(' ')} not set; run this by ./dev test`,
	    { skip: true }, () => {});
	await new Promise((resolve) => test.after ? setImmediate(resolve) : resolve());
}

export const env = Object.fromEntries(
	names.map((name) => [name, (process.env[name] ?? '').replace(/\/+$/, '')]));

/** The origin a browser on the kitchen's page would send. */
export const origin = env.URL ? new URL(env.URL).origin : '';

/** The address of the WebSocket, whether WS_URL names the path or not. */
export const wsUrl = /\/api\/ws$/.test(env.WS_URL)
	? env.WS_URL : `${env.WS_URL}/api/ws`;

/** The password of every person these tests make (that of the demo people). */
export const password = 'dapur-demo';
