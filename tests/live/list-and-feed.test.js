/* Read the list, open the feed behind its X-Stream-Position: nothing is missed, nothing comes twice. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { done, position, written } from '../lib/expect.js';
import { carriers, open } from '../lib/feeds.js';
import { hasAll } from '../lib/log.js';
import { create, setStatus } from '../lib/production.js';
import { suite } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';

const LIST = '/api/production?limit=100';
const byId = (rows) => new Map(rows.map((row) => [row.id, row]));

/* What a screen does with an event. */
function apply(rows, event)
{
	if (event.type === 'production_deleted')
		assert.ok(rows.delete(event.productionId), 'deleted what the list does not have');
	else if (event.type === 'production_created')
		assert.ok(!rows.has(event.productionId), 'created what the list has already');
	if (event.type !== 'production_deleted')
		rows.set(event.productionId, event.data);
}

suite('list and feed', () => {
	test('joined while others write: the list with its events is the list of later', async () => {
		const t = await makeTenant({ who: ['kepala', 'viewer'] });
		const [c, viewer] = [await t.login('kepala'), await t.login('viewer')];
		let writing = true;

		const writers = Promise.all(Array.from({ length: 4 }, async () => {
			for (let n = 0; n < 12; n++) {
				const p = await create(c, t);
				written(await c.patch(`/api/production/${p.id}`, { notes: `pass ${n}` }));
				written(await setStatus(c, p.id, n % 3 ? 'PREPARING' : 'CANCELLED', n % 3 ? {} : { reason: 'x' }));
				if (n % 3 === 0)
					written(await c.delete(`/api/production/${p.id}`));
			}
		})).finally(() => { writing = false; });
		const screens = [];
		const join = async (carrier) => {
			const r = await viewer.get(LIST);
			const after = r.headers['x-stream-position'];
			const feed = await open(carrier, viewer, { after });
			screens.push({ feed, after, rows: byId(done(r)), n: r.body.pagination.total });
		};

		for (let n = 0; writing && n < 5; n++)
			await Promise.all(carriers.map(join));
		await writers;
		await join('SSE');
		const last = byId(done(await viewer.get(LIST)));
		for (const { feed, after, rows, n } of screens) {
			await hasAll(feed, t, { after });
			assert.equal(rows.size, n, 'the list is one page');
			for (const event of feed.events)
				apply(rows, event);
			assert.deepEqual(rows, last, feed.carrier);
			assert.deepEqual(feed.of('reset'), []);
		}
		assert.ok(screens.some(({ feed }) => feed.events.length > 0), 'nothing was written meanwhile');
	});

	test('one production, and every other list, carries the position too', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const r = await c.post('/api/production', t.input());
		const p = written(r, 201);

		assert.equal(r.headers['x-stream-position'] ?? r.body.position, r.body.position);
		for (const path of [`/api/production/${p.id}`, LIST, `${LIST}&page=9`, '/api/menu', '/api/program',
		    '/api/staff', `/api/production/${p.id}/quality-checks`, `/api/production/${p.id}/events`])
			assert.deepEqual(position((await c.get(path)).headers['x-stream-position']),
			    position(r.body.position), path);
	});

	test('a write\'s position is behind its own event: the feed after it does not repeat it', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');

		for (const carrier of carriers) {
			const r = await c.post('/api/production', t.input());
			const feed = await open(carrier, c, { after: r.body.position });
			const next = await create(c, t);
			assert.equal((await feed.next((f) => Number.isInteger(f.seq))).productionId, next.id);
		}
	});

	test('an application\'s 304 is as good: the position of the list that was kept', async () => {
		const t = await makeTenant({ who: ['kepala'] });
		const c = await t.login('kepala');
		const kept = await c.get(LIST);
		const same = await c.get(LIST, { headers: { 'if-none-match': kept.headers.etag } });

		assert.equal(same.status, 304);
		assert.equal(same.headers['x-stream-position'], kept.headers['x-stream-position']);
		await create(c, t);
		assert.equal((await c.get(LIST, { headers: { 'if-none-match': kept.headers.etag } })).status, 200);
	});
});
