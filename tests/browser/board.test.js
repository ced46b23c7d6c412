/*
 * The kitchen board as people use it: two windows of one kitchen, a third of
 * another, real Chromium, the real chain behind.
 */
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { Client } from '../lib/client.js';
import { done, written } from '../lib/expect.js';
import { addCheck, create, setStatus } from '../lib/production.js';
import { addPerson, makeTenant } from '../lib/tenant.js';
import {
	browserSuite, buttons, card, closeWindow, live, logIn, openWindow, pageModule, windowOf,
} from './lib.js';

const { today } = await pageModule('day.js');

browserSuite('kitchen board', () => {
	let t;
	let chef;                /* a client of the API beside the windows */

	const email = (who) => t.people[who].email;
	const plan = (changes = {}) => create(chef, t, {
		productionDate: today(), plannedStartTime: `${today()}T05:00:00+07:00`,
		plannedEndTime: `${today()}T08:00:00+07:00`, ...changes,
	});
	/* a production of today, led to this status by the API */
	const planned = async (status) => {
		const p = await plan();
		for (const next of ['PREPARING', 'COOKING', 'QUALITY_CHECK']) {
			written(await setStatus(chef, p.id, next));
			if (next === status)
				break;
		}
		return p;
	};

	before(async () => {
		t = await makeTenant();
		chef = await t.login('produksi');
	});

	test('the demo: who, which kitchen, today', async () => {
		const window = await windowOf('produksi@melati.test');

		assert.match(await window.locator('[data-kitchen]').innerText(), /melati/i);
		assert.match(await window.locator('[data-who]').innerText(), /Manajer produksi/);
		assert.equal(await window.locator('#board-day').inputValue(), today());
		await closeWindow(window);
	});

	test('a wrong password is said, and the session outlives a reload, not a log-out', async () => {
		const window = await openWindow();

		await logIn(window, email('produksi'), 'salah');
		await window.getByText('Email atau kata sandi salah.').waitFor();
		await logIn(window, email('produksi'));
		await live(window);
		await window.reload();
		await live(window);
		await window.getByRole('button', { name: 'Keluar' }).click();
		await window.locator('#login').waitFor();
		await window.reload();
		await window.locator('#login').waitFor();
		await closeWindow(window);
	});

	test('too many tries: says how long, and the button waits', async () => {
		const person = await addPerson(t, 'viewer');
		const guesser = new Client();
		let status;
		for (let n = 0; n < 50 && status !== 429; n++)
			status = (await guesser.post('/api/session',
			    { email: person.email, password: 'salah' })).status;
		assert.equal(status, 429);

		const window = await openWindow();
		await logIn(window, person.email);
		await window.getByText(/Terlalu banyak percobaan\. Coba lagi dalam \d+ (menit|detik)/).waitFor();
		assert.ok(await window.getByRole('button', { name: 'Masuk' }).isDisabled());
		await closeWindow(window);
	});

	test('planned in one window, seen in another, not in another kitchen; then moved', async () => {
		const other = await makeTenant({ who: ['kepala'] });
		const [one, two, third] = await Promise.all([
			windowOf(email('produksi')), windowOf(email('dapur')),
			windowOf(other.people.kepala.email),
		]);
		const batch = `PAGI-${t.mark}`;

		await one.getByRole('button', { name: 'Rencanakan produksi' }).click();
		const form = one.locator('#plan');
		await form.getByLabel('Menu').selectOption(t.menus[0].id);
		await form.getByLabel('Jumlah porsi').fill('320');
		await form.getByLabel('Kepala masak').selectOption(t.people.dapur.id);
		await form.getByText('Isian tambahan').click();
		await form.getByLabel('Nomor batch').fill(batch);
		await form.getByRole('button', { name: 'Simpan rencana' }).click();
		await form.waitFor({ state: 'hidden' });

		for (const window of [one, two]) {
			await card(window, batch, 'PLANNED').waitFor();
			const text = await card(window, batch).innerText();
			assert.match(text, new RegExp(t.menus[0].name));
			assert.match(text, /320 porsi/);
			assert.match(text, /05\.00–08\.00 WIB/);
			assert.match(text, new RegExp(t.people.dapur.name));
		}

		await card(two, batch).getByRole('button', { name: 'Mulai persiapan' }).click();
		await card(one, batch, 'PREPARING').waitFor();
		await card(one, batch).getByRole('button', { name: 'Mulai memasak' }).click();
		await card(two, batch, 'COOKING').waitFor();
		assert.equal(await card(two, batch).count(), 1);

		/* something of its own, later than all that, arrives: the rest never did */
		const own = await create(await other.login('kepala'), other, { productionDate: today() });
		await card(third, own.batchNumber, 'PLANNED').waitFor();
		assert.equal(await third.locator('.card').count(), 1);
		assert.ok(!(await third.content()).includes(t.mark));

		for (const window of [one, two, third])
			await closeWindow(window);
	});

	test('completed only with a passed check and portions; its history tells it', async () => {
		const [window, watcher] = await Promise.all([
			windowOf(email('produksi')), windowOf(email('viewer')),
		]);
		const { batchNumber: batch } = await planned('QUALITY_CHECK');
		const mine = card(window, batch, 'QUALITY_CHECK');

		await mine.getByRole('button', { name: 'Selesaikan' }).click();
		const complete = window.locator('#complete');
		await complete.getByLabel('Porsi yang jadi').fill('118');
		await complete.getByRole('button', { name: 'Selesaikan' }).click();
		await complete.getByText('perlu cek mutu yang lulus').waitFor();
		await complete.getByRole('button', { name: 'Tutup' }).click();

		await mine.getByRole('button', { name: 'Cek mutu' }).click();
		const check = window.locator('#check');
		await check.getByLabel('Jenis').selectOption('TASTE');
		await check.getByLabel('Yang dicek').fill('asin');
		await check.getByLabel('Hasil').fill('pas');
		await check.getByRole('button', { name: 'Simpan cek mutu' }).click();
		await check.getByText('Wajib diisi.').waitFor();
		await check.getByLabel('Lulus', { exact: true }).check();
		await check.getByRole('button', { name: 'Simpan cek mutu' }).click();
		await card(watcher, batch).getByText('Mutu lulus').waitFor();

		await mine.getByRole('button', { name: 'Selesaikan' }).click();
		await complete.getByLabel('Porsi yang jadi').fill('118');
		await complete.getByRole('button', { name: 'Selesaikan' }).click();
		const finished = card(watcher, batch, 'COMPLETED');
		await finished.getByText('118 porsi dari 120').waitFor();

		await finished.getByRole('button', { name: 'Riwayat' }).click();
		const history = watcher.locator('#history');
		await history.getByText('Cek mutu → Selesai').waitFor();
		await history.getByText('Rasa: asin – pas (lulus)').waitFor();
		assert.match(await history.innerText(), new RegExp(t.people.produksi.name));
		for (const each of [window, watcher])
			await closeWindow(each);
	});

	test('a failed check stays visible until the same kind passes', async () => {
		const window = await windowOf(email('viewer'));
		const { id, batchNumber: batch } = await planned('COOKING');

		written(await addCheck(chef, id, { passed: false }), 201);
		await card(window, batch).getByText('Mutu gagal').waitFor();
		written(await addCheck(chef, id), 201);
		await card(window, batch).getByText('Mutu lulus').waitFor();
		await closeWindow(window);
	});

	test('cancelling asks why; cancelled ones are folded', async () => {
		const window = await windowOf(email('produksi'));
		const { batchNumber: batch } = await plan();

		await card(window, batch).getByRole('button', { name: 'Batalkan' }).click();
		const dialog = window.locator('#cancel');
		await dialog.getByRole('button', { name: 'Batalkan produksi ini' }).click();
		await dialog.getByText('Wajib diisi.').waitFor();
		await dialog.getByLabel('Alasan').fill('gas habis');
		await dialog.getByRole('button', { name: 'Batalkan produksi ini' }).click();
		await card(window, batch, 'CANCELLED').waitFor({ state: 'attached' });
		assert.equal(await card(window, batch).isVisible(), false);
		await window.locator('.cancelled summary').click();
		await card(window, batch).getByText('Alasan: gas habis').waitFor();
		assert.deepEqual(await buttons(card(window, batch)), ['Riwayat']);
		await closeWindow(window);
	});

	test('what the server refuses stands at its field', async () => {
		const window = await windowOf(email('produksi'));
		const { batchNumber: batch } = await plan();
		const form = window.locator('#plan');
		const save = form.getByRole('button', { name: 'Simpan rencana' });

		await window.getByRole('button', { name: 'Rencanakan produksi' }).click();
		await save.click();
		assert.equal(await form.getByText('Wajib diisi.').count(), 3);
		await form.getByLabel('Menu').selectOption(t.menus[0].id);
		await form.getByLabel('Jumlah porsi').fill('10');
		await form.getByLabel('Kepala masak').selectOption(t.people.dapur.id);
		await form.getByLabel('Selesai').fill(`${today()}T04:00`);
		await save.click();
		await form.getByText('Harus sesudah jam mulai.').waitFor();
		assert.equal(await form.getByLabel('Selesai').getAttribute('aria-invalid'), 'true');

		await form.getByLabel('Selesai').fill(`${today()}T09:00`);
		await form.getByText('Isian tambahan').click();
		await form.getByLabel('Nomor batch').fill(batch);
		await form.getByText('Isian tambahan').click();
		await save.click();
		await form.getByText('Sudah dipakai.').waitFor();
		assert.equal(await card(window, batch).count(), 1);
		await closeWindow(window);
	});

	test('a role is offered what it may do', async () => {
		const { batchNumber: batch } = await planned('COOKING');

		for (const [who, offered, plans] of [
			['produksi', ['Mulai cek mutu', 'Cek mutu', 'Riwayat', 'Batalkan'], true],
			['dapur', ['Mulai cek mutu', 'Riwayat', 'Batalkan'], true],
			['qc', ['Cek mutu', 'Riwayat'], false],
			['viewer', ['Riwayat'], false],
			['akuntan', ['Riwayat'], false],
		]) {
			const window = await windowOf(email(who));
			await card(window, batch).waitFor();
			assert.deepEqual(await buttons(card(window, batch)), offered, who);
			assert.equal(await window.getByRole('button', { name: 'Rencanakan produksi' }).isVisible(),
			    plans, who);
			await closeWindow(window);
		}
	});

	test('data is text, never markup', async () => {
		const batch = '<img src=x onerror=alert(1)>';
		const window = await windowOf(email('viewer'));

		await plan({ batchNumber: batch, notes: '<script>alert(1)</script>' });
		await card(window, batch).getByRole('button', { name: 'Riwayat' }).click();
		await window.locator('#history').getByText('<script>alert(1)</script>').waitFor();
		assert.equal(await window.locator('.card img, #history script').count(), 0);
		await closeWindow(window);
	});

	test('another day is another board', async () => {
		const window = await windowOf(email('produksi'));
		const { plusDays } = await pageModule('day.js');
		const tomorrow = plusDays(today(), 1);
		const { batchNumber: batch } = await plan({
			productionDate: tomorrow, plannedStartTime: `${tomorrow}T05:00:00+07:00`,
			plannedEndTime: `${tomorrow}T08:00:00+07:00`,
		});

		await window.getByRole('button', { name: 'Hari berikutnya' }).click();
		await card(window, batch, 'PLANNED').waitFor();
		assert.equal(await window.locator('.card').count(), 1);
		await window.getByRole('button', { name: 'Hari ini' }).click();
		await card(window, batch).waitFor({ state: 'detached' });
		await live(window);
		await closeWindow(window);
	});

	test('a line cut on the way: the window says so, comes back and has missed nothing', async () => {
		const window = await openWindow();
		let lines = 0;
		let cut;
		let mayReturn;
		const returning = new Promise((resolve) => { mayReturn = resolve; });
		await window.routeWebSocket(/\/api\/ws/, async (line) => {
			if (++lines > 1)
				await returning;
			line.connectToServer();
			cut = () => line.close();
		});
		await window.reload();  /* into the page with the route */
		await logIn(window, email('viewer'));
		await live(window);
		const kept = await plan();
		await card(window, kept.batchNumber, 'PLANNED').waitFor();

		await cut();
		await window.locator('[data-link]:not([data-state=live])').waitFor();
		const missed = await plan();
		written(await setStatus(chef, missed.id, 'PREPARING'));
		written(await setStatus(chef, kept.id, 'CANCELLED', { reason: 'habis' }));
		assert.equal(await card(window, missed.batchNumber).count(), 0);
		mayReturn();
		await card(window, missed.batchNumber, 'PREPARING').waitFor();
		await card(window, kept.batchNumber, 'CANCELLED').waitFor({ state: 'attached' });
		assert.ok(lines > 1);
		await closeWindow(window);
	});

	test('a session that ends elsewhere brings the log-in page', async () => {
		const window = await windowOf(email('gizi'));
		const cookies = await window.context().cookies();
		const cookie = cookies.find(({ name }) => /dapur_session$/.test(name));
		const client = await t.login('gizi');

		done(await client.delete('/api/session?all=1'));
		await window.getByRole('button', { name: 'Hari berikutnya' }).click();
		await window.locator('#login').waitFor();
		await window.getByText('Sesi Anda sudah berakhir').waitFor();
		assert.ok(cookie.httpOnly);
		await closeWindow(window);
	});
});
