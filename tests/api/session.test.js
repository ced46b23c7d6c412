/* POST, GET and DELETE /api/session: who gets in, with what, for how long. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { Client, ownAddress } from '../lib/client.js';
import { owner } from '../lib/db.js';
import { password, env } from '../lib/env.js';
import { done, refused } from '../lib/expect.js';
import { suite } from '../lib/suite.js';
import { addPerson, makeTenant, permissions, roles } from '../lib/tenant.js';

/* What an importer brings from a bcryptjs table: "dapur-demo" at cost 6. */
const BCRYPT = '$2b$06$abcdefghijklmnopqrstuuIkrEH6H36//WwsndsyvG77t6WGR80hu';
const cookieName = env.URL.startsWith('https:')
	? '__Host-dapur_session' : 'dapur_session';

const login = (client, email, word = password) =>
	client.post('/api/session', { email, password: word });

suite('session', () => {
	test('the right password opens a session', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = new Client();
		const r = await login(c, t.people.kepala.email);
		const data = done(r, r.status === 201 ? 201 : 200);

		assert.equal(data.user.id, t.people.kepala.id);
		assert.equal(data.user.sppgId, t.id);
		assert.ok(!r.text.includes('argon2'), 'the hash is shown');
		assert.ok(!r.text.includes(c.token), 'the token is shown to scripts');
		assert.match(r.headers['cache-control'], /no-store|private.*no-cache/);
	});

	test('the cookie: HttpOnly, SameSite=Lax, Path=/, 43 base64url characters', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = new Client();
		const r = await login(c, t.people.kepala.email);
		const [cookie] = r.setCookie;

		assert.equal(r.setCookie.length, 1);
		assert.equal(cookie.name, cookieName);
		assert.match(cookie.value, /^[A-Za-z0-9_-]{43}$/);
		assert.ok('httponly' in cookie.attributes);
		assert.equal(cookie.attributes.samesite, 'Lax');
		assert.equal(cookie.attributes.path, '/');
		assert.ok(!('domain' in cookie.attributes));
		assert.equal('secure' in cookie.attributes, env.URL.startsWith('https:'));
		assert.ok(Number(cookie.attributes['max-age']) > 3600);
	});

	test('two log-ins never share a token', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const [a, b] = [new Client(), new Client()];

		await a.login(t.people.kepala.email);
		await b.login(t.people.kepala.email);
		assert.notEqual(a.token, b.token);
	});

	test('a cookie brought along is not adopted (session fixation)', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = new Client();
		const planted = 'A'.repeat(43);

		c.jar.set(cookieName, planted);
		await c.login(t.people.kepala.email);
		assert.notEqual(c.token, planted);
	});

	test('the token is stored only as its SHA-256', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const hash = createHash('sha256').update(c.token).digest();
		const { rows } = await owner(`SELECT s::text AS text, to_jsonb(s) AS row
		    FROM dapur.session s WHERE sppg_id = $1`, [t.id]);

		assert.equal(rows.length, 1);
		assert.ok(!rows[0].text.includes(c.token));
		assert.ok(rows[0].text.includes(hash.toString('hex'))
		    || rows[0].text.includes(hash.toString('base64url')), rows[0].text);
	});

	test('the e-mail address is taken in any case', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = new Client();

		await c.login(t.people.kepala.email.toUpperCase());
	});

	test('wrong password and unknown person get the same answer', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = new Client();
		const wrong = await login(c, t.people.kepala.email, 'not-this-one');
		const unknown = await login(c, `nobody@${t.mark}.test`, 'not-this-one');

		refused(wrong, 401, 'UNAUTHORIZED');
		refused(unknown, 401, 'UNAUTHORIZED');
		assert.equal(wrong.body.error, unknown.body.error);
		assert.equal(wrong.setCookie.length, 0);
		assert.equal(c.token, undefined);
	});

	test('a disabled person does not get in', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const off = await addPerson(t, 'dapur', { active: false });

		refused(await login(new Client(), off.email), 401, 'UNAUTHORIZED');
	});

	test('nobody of a suspended tenant gets in', async () => {
		const t = await makeTenant({ who: ['kepala'], status: 'SUSPENDED' });
		const r = await login(new Client(), t.people.kepala.email);

		assert.ok([401, 403].includes(r.status), r.text);
		refused(r, r.status, r.status === 401 ? 'UNAUTHORIZED' : 'FORBIDDEN');
		assert.equal(r.setCookie.length, 0);
	});

	test('a person who is disabled later is out at the next request', async () => {
		const t = await makeTenant({ who: ['kepala', 'dapur'] });
		const c = await t.login('dapur');

		done(await c.get('/api/production'));
		await owner('UPDATE dapur.person SET active = false WHERE id = $1',
		    [t.people.dapur.id]);
		refused(await c.get('/api/production'), 401, 'UNAUTHORIZED');
	});

	test('a tenant that is suspended later is out at the next request', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');

		done(await c.get('/api/production'));
		await owner(`UPDATE dapur.tenant SET status = 'SUSPENDED' WHERE id = $1`, [t.id]);
		const r = await c.get('/api/production');
		assert.ok([401, 403].includes(r.status), r.text);
	});

	test('a changed role counts at the next request', async () => {
		const t = await makeTenant({ who: ['kepala', 'dapur'] });
		const c = await t.login('dapur');

		done(await c.post('/api/production', t.input()), 201);
		await owner(`UPDATE dapur.person SET role = 'SPPG_VIEWER' WHERE id = $1`,
		    [t.people.dapur.id]);
		refused(await c.post('/api/production', t.input()), 403, 'FORBIDDEN');
	});

	test('an expired session is no session', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');

		await owner(`UPDATE dapur.session SET created_at = now() - interval '2 days',
		    expires_at = now() - interval '1 second' WHERE sppg_id = $1`, [t.id]);
		refused(await c.get('/api/production'), 401, 'UNAUTHORIZED');
		refused(await c.patch('/api/production/x', { notes: '' }), 401, 'UNAUTHORIZED');
	});

	for (const who of Object.keys(roles))
		test(`GET tells ${who} who they are and what they may do`, async () => {
			const t = await makeTenant({ who: [who] });
			const c = await t.login(who);
			const r = await c.get('/api/session');
			const data = done(r);

			assert.equal(data.user.id, t.people[who].id);
			assert.equal(data.user.email, t.people[who].email);
			assert.equal(data.user.role, roles[who]);
			assert.equal(data.user.sppgId, t.id);
			assert.deepEqual([...data.permissions].sort(), [...permissions[who]].sort());
			assert.ok(!r.text.includes('argon2'));
			assert.match(r.headers['cache-control'], /no-store|private.*no-cache/);
		});

	test('a log-out is known to every worker at once, however warm', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const crowd = (c) => Promise.all(Array.from({ length: 64 }, () => c.get('/api/session')));

		for (let i = 0; i < 5; i++) {
			const c = new Client();
			await c.login(t.people.kepala.email);
			const { cookie } = c;
			for (const r of [...await crowd(c), ...await crowd(c)])
				done(r);
			done(await c.delete('/api/session'));
			for (const r of await Promise.all(Array.from({ length: 64 }, () =>
				new Client().get('/api/session', { headers: { cookie } }))))
				refused(r, 401, 'UNAUTHORIZED');
		}
	});

	test('GET without a session: 401', async () => {
		refused(await new Client().get('/api/session'), 401, 'UNAUTHORIZED');
	});

	for (const [what, token] of [
		['forged', 'Z'.repeat(43)], ['short', 'abc'], ['empty', ''],
		['long', 'a'.repeat(4000)], ['odd', '%00%ff..//"<>'], ['quoted', `"${'a'.repeat(43)}"`],
	])
		test(`a ${what} token is no session`, async () => {
			const c = new Client();

			c.jar.set(cookieName, token);
			refused(await c.get('/api/session'), 401, 'UNAUTHORIZED');
			refused(await c.get('/api/production'), 401, 'UNAUTHORIZED');
		});

	test('the session is found among other cookies, and under ", " too', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const mine = `${cookieName}=${c.token}`;

		for (const cookie of [
			`theme=dark; ${mine}; a=b`, `a=b, ${mine}`, `x${cookieName}=no; ${mine}`,
			`broken; ;=; ${mine}`,
		]) {
			const r = await new Client().get('/api/session', { headers: { cookie } });
			assert.equal(r.status, 200, cookie);
		}
	});

	test('DELETE ends this session only', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const [a, b] = [new Client(), new Client()];

		await a.login(t.people.kepala.email);
		await b.login(t.people.kepala.email);
		const cookie = a.cookie;
		const r = await a.delete('/api/session');
		done(r);
		assert.equal(r.setCookie[0]?.name, cookieName);
		assert.equal(a.token, undefined, 'the cookie is taken back');
		refused(await a.get('/api/session', { headers: { cookie } }), 401, 'UNAUTHORIZED');
		done(await b.get('/api/session'));
	});

	test('DELETE ?all=1 ends every session of this person and nobody else\'s', async () => {
		const t = await makeTenant({ who: ['kepala', 'admin'] });
		const [a, b, other] = [new Client(), new Client(), await t.login('admin')];

		await a.login(t.people.kepala.email);
		await b.login(t.people.kepala.email);
		done(await a.delete('/api/session?all=1'));
		refused(await b.get('/api/session'), 401, 'UNAUTHORIZED');
		done(await other.get('/api/session'));
	});

	test('a bcrypt hash is verified once and becomes argon2id', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const person = await addPerson(t, 'dapur', { hash: BCRYPT });
		const stored = async () => (await owner(
		    'SELECT password_hash AS hash FROM dapur.person WHERE id = $1',
		    [person.id])).rows[0].hash;

		refused(await login(new Client(), person.email, 'wrong-one'), 401, 'UNAUTHORIZED');
		assert.equal(await stored(), BCRYPT);
		await new Client().login(person.email);
		assert.match(await stored(), /^\$argon2id\$/);
		await new Client().login(person.email);
	});

	test('a person without a password cannot log in', async () => {
		const t = await makeTenant({ who: ['kepala'] });

		for (const hash of [null, '', '*', '!', '$argon2id$broken', '$2b$06$short']) {
			let person;
			try {
				person = await addPerson(t, 'dapur', { hash });
			} catch {
				continue;	/* the schema refuses it: better still */
			}
			for (const word of ['dapur-demo', 'x', '*', '!'])
				refused(await login(new Client(), person.email, word),
				    401, 'UNAUTHORIZED');
		}
	});

	test('missing, empty and unknown members are named, all at once', async () => {
		const c = new Client();

		refused(await c.post('/api/session', {}), 422, 'INVALID', ['email', 'password']);
		refused(await c.post('/api/session', { email: '', password: '' }), 422, 'INVALID',
		    ['email', 'password']);
		refused(await c.post('/api/session', { email: 1, password: [], sppgId: 'x' }),
		    422, 'INVALID', ['email', 'password', 'sppgId']);
		refused(await c.post('/api/session', { email: 'a@b.test', password: 'x'.repeat(5000) }),
		    422, 'INVALID', ['password']);
	});

	test('the password never comes back in an answer', async () => {
		const c = new Client();
		const secret = 'hunter2-very-secret';
		const r = await c.post('/api/session', { email: 7, password: secret, [secret + 'x']: 1 });

		assert.ok(!JSON.stringify(r.body.errors.map((f) => f.message)).includes(`"${secret}"`));
		const s = await login(c, 'nobody@nowhere.test', secret);
		assert.ok(!s.text.includes(secret));
	});

	test('too many tries on one account wait, from any address, others do not', async () => {
		const t = await makeTenant({ who: ['kepala', 'admin'] });
		let last;

		for (let n = 0; n < 40 && last?.status !== 429; n++)
			last = await login(new Client(), t.people.kepala.email, 'wrong-one');
		refused(last, 429, 'TOO_MANY_REQUESTS');
		refused(await login(new Client(), t.people.kepala.email), 429, 'TOO_MANY_REQUESTS');
		await new Client().login(t.people.admin.email);
	});

	test('too many tries from one address wait, other addresses do not', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const address = ownAddress();
		let last;

		for (let n = 0; n < 400 && last?.status !== 429; n++)
			last = await login(new Client({ address }), `n${n}@${t.mark}.test`, 'wrong');
		refused(last, 429, 'TOO_MANY_REQUESTS');
		refused(await login(new Client({ address }), t.people.kepala.email),
		    429, 'TOO_MANY_REQUESTS');
		await new Client().login(t.people.kepala.email);
	});

	test('the throttle counts by the proxy\'s address, not by a header', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = new Client();
		let last;

		for (let n = 0; n < 400 && last?.status !== 429; n++)
			last = await c.post('/api/session',
			    { email: `n${n}@${t.mark}.test`, password: 'wrong' },
			    { headers: { 'x-forwarded-for': `10.1.${n % 250}.7`,
				'x-real-ip': `10.2.${n % 250}.7` } });
		refused(last, 429, 'TOO_MANY_REQUESTS');
	});
});
