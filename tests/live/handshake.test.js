/* Who may open the stream: cookie and Origin, a one-time token, and nobody else. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import WebSocket from 'ws';
import { Client } from '../lib/client.js';
import { owner } from '../lib/db.js';
import { origin, wsUrl } from '../lib/env.js';
import { done } from '../lib/expect.js';
import { create } from '../lib/production.js';
import { redis } from '../lib/redis.js';
import { suite } from '../lib/suite.js';
import { dial, open, turnedAway } from '../lib/stream.js';
import { makeTenant } from '../lib/tenant.js';
import { within } from '../lib/wait.js';

suite('the WebSocket handshake', () => {
	let t, u, c;

	before(async () => {
		[t, u] = [await makeTenant({ who: ['kepala', 'viewer'] }), await makeTenant({ who: ['kepala'] })];
		c = await t.login('kepala');
	});

	test('only a Cookie and an Origin, as a browser sends them', async () => {
		const socket = new WebSocket(wsUrl, { headers: { Cookie: c.cookie, Origin: origin } });
		const first = await within(15_000, 'first frame', new Promise((resolve, reject) => {
			socket.once('message', (bytes) => resolve(JSON.parse(String(bytes))));
			socket.once('error', reject);
			socket.once('close', reject);
		}));

		assert.equal(first.type, 'connected');
		socket.terminate();
	});

	test('other cookies around it do not matter', async () => {
		const s = await open(null, { cookie: `theme=dark; ${c.cookie}; x="y"` });
		await s.close();
	});

	for (const [what, value] of [['foreign', 'https://evil.example'], ['missing', null],
	    ['null', 'null'], ['a longer host', origin.replace(/(:\d+)?$/, '.evil.example$1')],
	    ['a prefixed host', origin.replace('://', '://evil.')], ['another port', `${origin}1`],
	    ['empty', '']])
		test(`Origin ${what}: one disconnect, no bytes`, async () => {
			const frame = await turnedAway(c, { origin: value });
			assert.equal(frame.reconnect, false);
			assert.match(frame.code, /CROSS_SITE|FORBIDDEN/);
		});

	test('no cookie: refused', async () => {
		const frame = await turnedAway(null, {}, 'UNAUTHORIZED');
		assert.equal(frame.reconnect, false);
	});

	for (const [what, token] of [['forged', 'Q'.repeat(43)], ['short', 'x'], ['long', 'a'.repeat(3000)],
	    ['with odd bytes', '%00%0a%0d/../']])
		test(`a ${what} session token: refused`, async () => {
			const name = c.cookie.split('=')[0];
			await turnedAway(null, { cookie: `${name}=${token}` }, 'UNAUTHORIZED');
		});

	test('a session that ended: refused', async () => {
		const gone = new Client();

		await gone.login(t.people.kepala.email);
		const cookie = gone.cookie;
		await (await open(gone)).close();	/* now it is in the cache */
		done(await gone.delete('/api/session'));
		await turnedAway(null, { cookie }, 'UNAUTHORIZED');
	});

	test('a session that expired: refused', async () => {
		const v = await makeTenant({ who: ['viewer'] });
		const old = await v.login('viewer');

		await owner(`UPDATE dapur.session SET created_at = now() - interval '9 days',
		    expires_at = now() - interval '1 second' WHERE sppg_id = $1`, [v.id]);
		await (await redis()).flushdb();	/* the cache knows another end */
		await turnedAway(old, {}, 'UNAUTHORIZED');
	});

	test('the one-time token of GET /api/ws works once, without a cookie', async () => {
		const { token } = done(await c.get('/api/ws'));
		const s = await open(null, { token });

		assert.ok(JSON.stringify(s.connected.user).includes(t.people.kepala.id));
		await s.close();
		await turnedAway(null, { token }, 'UNAUTHORIZED');
	});

	test('of two at once with the same token one gets in', async () => {
		const { token } = done(await c.get('/api/ws'));
		const both = [dial(null, { token }), dial(null, { token }), dial(null, { token })];
		const first = await Promise.all(both.map((s) => s.next(() => true)));

		assert.deepEqual(first.map((f) => f.type).sort(), ['connected', 'disconnect', 'disconnect']);
	});

	test('a token that was tampered with, or is another\'s session token: refused', async () => {
		const { token } = done(await c.get('/api/ws'));

		for (const at of [0, 10, Math.floor(token.length / 2), token.length - 2]) {
			const other = token[at] === 'A' ? 'B' : 'A';
			await turnedAway(null, { token: token.slice(0, at) + other + token.slice(at + 1) },
			    'UNAUTHORIZED');
		}
		await turnedAway(null, { token: token.slice(0, -4) }, 'UNAUTHORIZED');
		await turnedAway(null, { token: '' }, 'UNAUTHORIZED');
		await turnedAway(null, { token: c.token }, 'UNAUTHORIZED');
	});

	test('Authorization: Bearer needs no Origin', async () => {
		const s = await open(null, { origin: null, headers: { Authorization: `Bearer ${c.token}` } });

		await s.close();
		await turnedAway(null, { origin: null, headers: { Authorization: 'Bearer nonsense' } },
		    'UNAUTHORIZED');
	});

	test('the tenant comes from the session, never from the query', async () => {
		const s = dial(c, { query: `sppgId=${u.id}&tenant=${u.id}&channels=production:updates:${u.id}` });
		const first = await s.next(() => true);

		if (first.type === 'disconnect')
			return;	/* unknown members of the query may be refused */
		assert.equal(first.type, 'connected');
		await create(await u.login('kepala'), u);
		const p = await create(c, t);
		await s.next((f) => f.productionId === p.id);
		assert.ok(!s.lines.slice(1).some((line) => line.includes(u.mark)));
	});

	for (const query of ['after=nonsense', 'after=%00', 'after=-1', 'after=..%2f..', 'topics=nothing',
	    `topics=${'x'.repeat(2000)}`, 'topics=%0aproduction', 'after=%zz', '&&&===', `after=${'9'.repeat(40)}.1`])
		test(`a bad query (${query.slice(0, 24)}): a frame that says so, never silence or a crash`, async () => {
			const s = dial(c, { query });
			const first = await s.next(() => true);

			assert.ok(['connected', 'reset', 'disconnect'].includes(first.type), s.lines[0]);
		});

	test('a plain GET of the same path is the action', async () => {
		assert.equal((await c.get('/api/ws')).status, 200);
	});

	test('WebSocket on another path is not a stream', async () => {
		const socket = new WebSocket(wsUrl.replace('/api/ws', '/api/production'),
		    { headers: { Cookie: c.cookie, Origin: origin } });
		const opened = await within(15_000, 'refusal', new Promise((resolve) => {
			socket.once('open', () => resolve(true));
			socket.once('error', () => resolve(false));
		}));

		assert.equal(opened, false);
		socket.terminate();
	});
});
