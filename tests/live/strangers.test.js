/* Who has no right to a feed gets one refusal and not a byte of anybody's, on every carrier. */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Client } from '../lib/client.js';
import { owner } from '../lib/db.js';
import { done } from '../lib/expect.js';
import { carriers, dial, open, openAll, refusedBy } from '../lib/feeds.js';
import { allHaveAll, headOf } from '../lib/log.js';
import { create } from '../lib/production.js';
import { redis } from '../lib/redis.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

suite('strangers', () => {
	let t, u, c, d;

	before(async () => {
		[t, u] = [await makeTenant({ who: ['kepala', 'viewer'] }), await makeTenant({ who: ['kepala'] })];
		[c, d] = [await t.login('kepala'), await u.login('kepala')];
		for (let n = 0; n < 12; n++)
			await create(c, t);
		await create(d, u);
	});
	const clean = (feed, own, other) => {
		for (const line of feed.lines)
			assert.ok(!line.includes(other.mark), `${feed.carrier}: bytes of another kitchen: ${line.slice(0, 200)}`);
		for (const event of feed.events)
			assert.equal(event.sppgId, own.id);
	};
	const everywhere = async (code, who, options) => {
		for (const carrier of carriers)
			assert.equal(await refusedBy(carrier, who, typeof options === 'function' ? await options() : options),
			    code, carrier);
	};

	test('a position of another kitchen leads into one\'s own log, or is reset', async () => {
		const [mine, theirs] = [await headOf(t), await headOf(u)];

		assert.ok(mine.seq > theirs.seq && mine.epoch === theirs.epoch, 'else this shows nothing');
		const ahead = await openAll(d, { after: mine.position });
		for (const feed of ahead)
			assert.equal((await feed.next('reset')).reason, 'AHEAD');
		const inside = await openAll(d, { after: `${mine.epoch}.1` });
		await create(c, t);
		const p = await create(d, u);
		for (const feed of [...ahead, ...inside]) {
			await feed.next((f) => f.productionId === p.id);
			clean(feed, u, t);
		}
		await allHaveAll(inside, u);
	});

	test('naming another kitchen in the query changes nothing', async () => {
		for (const carrier of carriers) {
			const feed = await open(carrier, d, { topics: `production`,
			    headers: { 'x-sppg-id': t.id, 'x-tenant': t.id } });
			const other = dial(carrier, d, { query: `sppgId=${t.id}&tenant=${t.id}&channel=production:updates:${t.id}`
			    + `&after=${(await headOf(u)).position}${carrier === 'long poll' ? '&wait=5' : ''}` });
			await other.next('connected');
			await create(c, t);
			const p = await create(d, u);
			for (const each of [feed, other]) {
				await each.next((f) => f.productionId === p.id);
				clean(each, u, t);
				await each.close();
			}
		}
	});

	test('no session, a forged one, another\'s format', async () => {
		const name = c.cookie.split('=')[0];

		await everywhere('UNAUTHORIZED', null, {});
		for (const token of ['A'.repeat(43), 'x', `${c.token.slice(0, -1)}${c.token.endsWith('A') ? 'E' : 'A'}`, ''])
			await everywhere('UNAUTHORIZED', null, { cookie: `${name}=${token}` });
		await everywhere('UNAUTHORIZED', null, { headers: { authorization: 'Bearer forged' } });
		await everywhere('UNAUTHORIZED', null, { headers: { authorization: `Bearer ${'A'.repeat(43)}` } });
	});

	test('an expired session, an ended one, a disabled person, a suspended kitchen', async () => {
		const v = await makeTenant({ who: ['kepala', 'viewer', 'dapur', 'qc'] });
		const [expired, ended, disabled] = [await v.login('viewer'), await v.login('dapur'), await v.login('qc')];
		const last = await v.login('kepala');
		const { cookie } = ended;
		const client = await redis();
		const forget = async () => {
			const keys = await client.keys('dapur:session:*');
			if (keys.length > 0)
				await client.del(...keys);
		};

		await owner(`UPDATE dapur.session SET created_at = now() - interval '9 days',
		    expires_at = now() - interval '1 second' WHERE person_id = $1`, [v.people.viewer.id]);
		await owner('UPDATE dapur.person SET active = false WHERE id = $1', [v.people.qc.id]);
		done(await ended.delete('/api/session'));
		await forget();
		await everywhere('UNAUTHORIZED', expired, {});
		await everywhere('UNAUTHORIZED', null, { cookie });
		await everywhere('UNAUTHORIZED', disabled, {});
		await owner("UPDATE dapur.tenant SET status = 'SUSPENDED' WHERE id = $1", [v.id]);
		await forget();
		await everywhere('UNAUTHORIZED', last, {});
	});

	test('a cookie on another site\'s page', async () => {
		for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example'])
			await everywhere('CROSS_SITE', c, { origin });
	});

	test('a one-time token: forged, cut, once used, on any carrier', async () => {
		const ticket = async () => done(await c.get('/api/ws')).token;

		for (const change of [(s) => `${s[0] === 'A' ? 'B' : 'A'}${s.slice(1)}`, (s) => s.slice(0, -3), () => 'x',
		    (s) => s + s, () => c.token])
			await everywhere('UNAUTHORIZED', null, async () => ({ token: change(await ticket()) }));
		for (const [n, carrier] of carriers.entries()) {
			const token = await ticket();
			/* A page needs its ticket for one request: the next one would be the second use. */
			const feed = dial(carrier, null, { token });
			assert.equal((await feed.next(() => true)).type, 'connected', carrier);
			await feed.close();
			assert.equal(await refusedBy(carriers[(n + 1) % carriers.length], null, { token }), 'UNAUTHORIZED');
			assert.equal(await refusedBy(carrier, null, { token }), 'UNAUTHORIZED');
		}
	});

	test('a refused token does not fall back to the cookie beside it', async () => {
		await everywhere('UNAUTHORIZED', c, { token: 'forged' });
	});

	test('hundreds of strangers at once do not disturb who is in', async () => {
		const feeds = await openAll(c);
		const strangers = Array.from({ length: 120 }, (_, n) => refusedBy(carriers[n % 4], new Client(), {}));

		await create(c, t);
		for (const code of await Promise.all(strangers))
			assert.equal(code, 'UNAUTHORIZED');
		await create(c, t);
		await allHaveAll(feeds, t);
		assert.ok(feeds.every((feed) => !feed.ended));
	});
});
