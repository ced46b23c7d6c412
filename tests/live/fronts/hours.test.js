/*
 * Streams that nothing happens on for hours: the fronts' timeouts are made small instead. A heartbeat below the timeout keeps
 * a stream open for any time; one above it does not, and the stream goes on from its position.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Client } from '../../lib/client.js';
import { written } from '../../lib/expect.js';
import { open } from '../../lib/feeds.js';
import { suite } from '../../lib/suite.js';
import { makeTenant } from '../../lib/tenant.js';
import { within } from '../../lib/wait.js';
import { startFront } from './front.js';

const HEARTBEATS = 14;	/* of half a second, -10 %: three times the timeout */
const BOTH = ['SSE', 'WebSocket'];
const APACHE = String.raw`/^<VirtualHost/a Timeout 2\nProxyTimeout 2`;

/*
 * site: every timeout of the site file as 2 s, and those that it leaves as they are; sse: it arrives line by line
 * cut: the carriers whose silence a timeout ends
 */
const fronts = {
	nginx: {
		cut: BOTH, site: ['s/_\\(read\\|send\\)_timeout *[0-9]*s;/_\\1_timeout 2s;/',
		    '/server_tokens/a send_timeout 2s; keepalive_timeout 2s; client_body_timeout 2s; client_header_timeout 2s;'],
	},
	apache: { cut: BOTH, site: ['s/timeout=90/timeout=2/', APACHE] },
	fcgid: { cut: BOTH, site: ['s/IOTimeout 90/IOTimeout 2/', APACHE] },
	cgi: { cut: BOTH, site: ['s/CGIDScriptTimeout 90/CGIDScriptTimeout 2/', APACHE] },
	lighttpd: {
		cut: ['SSE'], site: ['s/"read-timeout" => [0-9]*/"read-timeout" => 2/',
		    String.raw`1i server.max-read-idle = 2\nserver.max-write-idle = 2\nserver.max-keep-alive-idle = 2`],
	},
	websocketd: { carriers: ['WebSocket'], cut: [], site: [] },
};

suite('streams that live for hours', { concurrency: 2 }, () => {
	const started = async (name, heartbeat_ms, site) => {
		const [front, t] = await Promise.all([makeTenant({ who: ['kepala'] }),
		    startFront(name, `--conf=heartbeat_ms = ${heartbeat_ms}`, ...site.map((sed) => `--site=${sed}`))].reverse());
		const c = new Client({ url: front.url });

		/* one that is kept is closed after 2 s, maybe just when it is used again */
		c.agent = new c.transport.Agent({ keepAlive: false });
		await c.login(t.people.kepala.email);
		return { front, t, c };
	};
	/* What happened while nobody listened is what comes next. */
	const resume = async (feeds, { front, t, c }) => {
		const p = written(await c.post('/api/production', t.input()), 201);

		for (const feed of feeds) {
			const next = await open(feed.carrier, c, { front, after: feed.at });
			assert.equal((await next.next((f) => Number.isInteger(f.seq))).productionId, p.id);
			await next.close();
		}
	};

	for (const [name, { carriers = BOTH, cut, site }] of Object.entries(fronts))
		describe(name, { concurrency: 2 }, () => {
			test('a heartbeat below the timeouts: it stays', async () => {
				const { front, t, c } = await started(name, 500, site);
				const feeds = await Promise.all(carriers.map((carrier) => open(carrier, c, { front })));

				for (let n = 0; n < HEARTBEATS; n++)
					await Promise.all(feeds.map((feed) => feed.next('heartbeat')));
				const p = written(await c.post('/api/production', t.input()), 201);
				for (const feed of feeds) {
					assert.equal((await feed.next((f) => Number.isInteger(f.seq))).productionId, p.id);
					assert.equal(feed.ended, false);
				}
				await Promise.all(feeds.map((feed) => feed.close()));
				await front.end();
			});

			if (cut.length > 0)
				test('a heartbeat above them: it is cut, and resumes', async () => {
					const s = await started(name, 60_000, site);
					const feeds = await Promise.all(cut.map((carrier) => open(carrier, s.c, { front: s.front })));

					await Promise.all(feeds.map((feed) => within(30_000, `end of the ${feed.carrier}`, feed.closed)));
					await resume(feeds, s);
					await s.front.end();
				});
		});

	test('mod_fcgid: FcgidBusyTimeout ends a stream whatever it sends; it resumes', async () => {
		const s = await started('fcgid', 500, ['s/FcgidBusyTimeout .*/FcgidBusyTimeout 2/',
		    '/^FcgidMaxProcesses/a FcgidBusyScanInterval 1']);
		const feed = await open('SSE', s.c, { front: s.front });

		await within(30_000, 'the end', feed.closed);
		assert.ok(feed.of('heartbeat').length > 0);
		await resume([feed], s);
		await s.front.end();
	});
});
