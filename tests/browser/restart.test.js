/*
 * The board through restarts of what it talks to: alone, because every window
 * of the stack feels them.
 */
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { written } from '../lib/expect.js';
import { create, setStatus } from '../lib/production.js';
import { atEnd } from '../lib/suite.js';
import { makeTenant } from '../lib/tenant.js';
import { browserSuite, card, closeWindow, live, pageModule, windowOf } from './lib.js';

const { today } = await pageModule('day.js');
const dev = fileURLToPath(new URL('../../dev', import.meta.url));
const service = (...what) => promisify(execFile)(dev, what, { timeout: 60_000 });

browserSuite('kitchen board through restarts', { exclusive: true }, () => {
	test('websocketd away: said at once; back: caught up without a reload', async () => {
		const t = await makeTenant({ who: ['produksi', 'viewer'] });
		const chef = await t.login('produksi');
		const window = await windowOf(t.people.viewer.email);
		const stays = await create(chef, t, { productionDate: today() });
		await card(window, stays.batchNumber, 'PLANNED').waitFor();

		atEnd(() => service('start', 'websocketd'));
		await service('stop', 'websocketd');
		await window.getByText('Terputus').waitFor();
		written(await setStatus(chef, stays.id, 'PREPARING'));
		const missed = await create(chef, t, { productionDate: today() });
		await service('start', 'websocketd');

		await card(window, missed.batchNumber, 'PLANNED').waitFor();
		await card(window, stays.batchNumber, 'PREPARING').waitFor();
		await live(window);
		const after = await create(chef, t, { productionDate: today() });
		await card(window, after.batchNumber, 'PLANNED').waitFor();
		await closeWindow(window);
	});

	test('the actions away: said kindly at the card; back: the same button works', async () => {
		const t = await makeTenant({ who: ['produksi'] });
		const { batchNumber: batch } = await create(await t.login('produksi'), t,
		    { productionDate: today() });
		const window = await windowOf(t.people.produksi.email);
		const button = card(window, batch).getByRole('button', { name: 'Mulai persiapan' });

		atEnd(() => service('start', 'api'));
		await service('stop', 'api');
		await button.click();
		await card(window, batch).getByText('Server sedang tidak bisa dipakai').waitFor();
		await service('start', 'api');
		await button.click();
		await card(window, batch, 'PREPARING').waitFor();
		await closeWindow(window);
	});
});
