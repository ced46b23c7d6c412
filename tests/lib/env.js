/*
 * What `./dev test` exports for the suites (the same as `./dev env`), in one
 * place. suite.js decides what a missing stack means.
 */

const names = [
	'URL', 'WS_URL', 'DATABASE_URL', 'APP_DATABASE_URL', 'REDIS_URL',
	'DAPUR_BIN', 'DAPUR_CONF', 'DAPUR_RUN',
];

/** The variables that are not set; empty when the stack is there. */
export const missing = names.filter((name) => !process.env[name]);

export const env = Object.fromEntries(
	names.map((name) => [name, (process.env[name] ?? '').replace(/\/+$/, '')]));

/** The origin a browser on the kitchen's page would send. */
export const origin = env.URL ? new URL(env.URL).origin : '';

/** The address of the WebSocket, whether WS_URL names the path or not. */
export const wsUrl = /\/api\/ws$/.test(env.WS_URL)
	? env.WS_URL : `${env.WS_URL}/api/ws`;

/** The password of every person these tests make (that of the demo people). */
export const password = 'dapur-demo';
