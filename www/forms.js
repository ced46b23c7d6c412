/*
 * forms: everything the page asks. Each form checks what the browser can
 * check, sends, and shows what the server refused at the field it means.
 */
import * as api from './api.js';
import { titleOf } from './board.js';
import { instant, zoneName } from './day.js';
import {
	CHECK, PRIORITY, SEVERITY, errorText, faultText, mealText, roleText, waitText,
} from './text.js';

/* ---- fields and their faults ---- */

const MISTAKES = [
	['valueMissing', () => 'Wajib diisi.'],
	['badInput', () => 'Isi dengan benar.'],
	['typeMismatch', () => 'Isi dengan benar.'],
	['rangeUnderflow', (input) => `Paling sedikit ${input.min}.`],
	['rangeOverflow', (input) => `Paling banyak ${input.max}.`],
	['stepMismatch', () => 'Tanpa koma.'],
];

function clearFaults(form)
{
	for (const said of form.querySelectorAll('.field > .fault'))
		said.remove();
	for (const input of form.querySelectorAll('[aria-invalid]')) {
		input.removeAttribute('aria-invalid');
		input.removeAttribute('aria-describedby');
	}
	say(form, '');
}

function say(form, text)
{
	const fault = form.querySelector('[data-fault]');

	fault.textContent = text;
	fault.hidden = !text;
}

/** Puts `text` under the field `name`; false when the form has none. */
function faultAt(form, name, text)
{
	const input = form.querySelector(`[name="${CSS.escape(name)}"]`);
	if (!input)
		return false;

	const field = input.closest('.field');
	const fault = document.createElement('p');
	fault.className = 'fault';
	fault.id = `${form.closest('[id]').id}-${name}-fault`;
	fault.textContent = text;
	field.hidden = false;
	field.append(fault);
	input.setAttribute('aria-invalid', 'true');
	input.setAttribute('aria-describedby', fault.id);
	const folded = input.closest('details');
	if (folded)
		folded.open = true;
	return true;
}

/** All faults at once: [{path, text}]; the focus goes to the first. */
function showFaults(form, faults)
{
	const homeless = faults.filter(({ path, text }) => !faultAt(form, path, text));

	form.querySelector('[aria-invalid]')?.focus();
	return homeless.map(({ path, text }) => `${path}: ${text}`);
}

function mistakes(form)
{
	const found = [];

	for (const input of form.elements) {
		const [, text] = input.willValidate
			? MISTAKES.find(([kind]) => input.validity[kind]) ?? [] : [];
		if (text && !found.some(({ path }) => path === input.name))
			found.push({ path: input.name, text: text(input) });
	}
	return found;
}

/** The filled-in fields by name; numbers as numbers, empty ones left out. */
function values(form)
{
	const out = {};

	for (const input of form.elements) {
		if (!input.name || input.closest('[hidden]') ||
		    (input.type === 'radio' && !input.checked))
			continue;
		const text = input.type === 'password' ? input.value : input.value.trim();
		if (text === '')
			continue;
		out[input.name] = input.type === 'number' ? input.valueAsNumber
			: input.type === 'datetime-local' ? instant(text) : text;
	}
	return out;
}

/** Too many tries: the button waits as long as the server says. */
function hold(form, button, seconds)
{
	const end = Date.now() + seconds * 1000;
	const tick = () => {
		const left = Math.ceil((end - Date.now()) / 1000);

		button.disabled = left > 0;
		say(form, left > 0
			? `Terlalu banyak percobaan. Coba lagi dalam ${waitText(left)}.` : '');
		if (left > 0)
			setTimeout(tick, 1000);
	};
	tick();
}

/** What the server refused, in the form; faults that have no field below it. */
function refused(form, button, fault)
{
	const rest = showFaults(form, fault.errors.map((each) => ({
		path: each.path, text: faultText(each),
	})));

	if (fault.code === 'TOO_MANY_REQUESTS' && fault.retryAfter)
		hold(form, button, fault.retryAfter);
	else
		say(form, [errorText(fault), ...rest].join(' '));
}

/**
 * Sends the form by save(values) when it is submitted.
 * onFault(fault) -> true when the page deals with it elsewhere (logged out).
 */
function wire(form, save, onFault)
{
	const button = form.querySelector('[type=submit]');

	form.addEventListener('submit', async (e) => {
		e.preventDefault();
		if (button.disabled)
			return;
		clearFaults(form);
		if (showFaults(form, mistakes(form)).length || form.querySelector('[aria-invalid]'))
			return;
		button.disabled = true;
		try {
			await save(values(form));
			button.disabled = false;
		} catch (fault) {
			button.disabled = false;
			if (!(fault instanceof api.ApiError))
				throw fault;
			if (!onFault(fault))
				refused(form, button, fault);
		}
	});
}

function options(select, rows, { empty } = {})
{
	const chosen = select.value;

	select.replaceChildren();
	if (empty !== undefined)
		select.add(new Option(empty, ''));
	for (const [value, text] of rows)
		select.add(new Option(text, value));
	if (rows.some(([value]) => value === chosen))
		select.value = chosen;
}

function onlyActive(lists)
{
	return Object.fromEntries(Object.entries(lists).map(([name, rows]) =>
		[name, rows.filter((row) => row.active !== false)]));
}

/* ---- log in ---- */

/** The log-in page. in: root #login, onSession(data) after success. */
export function logInForm(root, onSession)
{
	const form = root.querySelector('form');

	wire(form, async ({ email, password }) => {
		const { data } = await api.session.open(email, password);
		form.reset();
		onSession(data);
	}, (fault) => {
		if (fault.code !== 'UNAUTHORIZED')
			return false;
		say(form, 'Email atau kata sandi salah.');
		form.elements.password.select();
		return true;
	});
}

/* ---- dialogs ---- */

for (const dialog of document.querySelectorAll('dialog'))
	dialog.addEventListener('click', (e) => {
		if (e.target.closest('[data-close]'))
			dialog.close();
	});

/** Closes whatever is open: the one who asked has left. */
export function closeAll()
{
	for (const dialog of document.querySelectorAll('dialog[open]'))
		dialog.close();
}

/**
 * A dialog with a form. open(write, production) shows it empty; write(values,
 * key) sends it, onSaved(data) gets the answer.
 */
function dialogForm(id, { onSaved, onFault })
{
	const dialog = document.getElementById(id);
	const form = dialog.querySelector('form');
	let write;

	wire(form, async (body) => {
		const { data } = await write(body);
		dialog.close();
		onSaved(data);
	}, onFault);
	return {
		form,
		open(send, production) {
			form.reset();
			clearFaults(form);
			if (production)
				form.querySelector('[data-which]').textContent =
				    `${titleOf(production)} · ${production.batchNumber}`;
			write = api.retryable(send);
			dialog.showModal();
		},
	};
}

/**
 * The dialogs that plan, complete, cancel and check.
 * in: onSaved(production), onChecked(check), onFault(fault) -> true when dealt
 * with elsewhere
 */
export class Forms {
	#plan;
	#complete;
	#cancel;
	#check;
	#lists = null;           /* promise of {programs, menus, staff} */

	constructor({ onSaved, onChecked, onFault })
	{
		this.#plan = dialogForm('plan', { onSaved, onFault });
		this.#complete = dialogForm('complete', { onSaved, onFault });
		this.#cancel = dialogForm('cancel', { onSaved, onFault });
		this.#check = dialogForm('check', { onSaved: onChecked, onFault });
		this.#wirePlan(this.#plan.form);
		this.#wireCheck(this.#check.form);
	}

	/** What the forms offer: {programs, menus, staff}, fetched once. */
	lists()
	{
		this.#lists ??= Promise.all([
			api.program.list(), api.menu.list(), api.staff.list(),
		]).then(([programs, menus, staff]) => ({
			programs: programs.data, menus: menus.data, staff: staff.data,
		}));
		this.#lists.catch(() => { this.#lists = null; });
		return this.#lists;
	}

	/** Forgets them: a menu, program or person changed, or somebody else logs in. */
	forget()
	{
		this.#lists = null;
	}

	#wirePlan(form)
	{
		const { menuId, programId, productionDate } = form.elements;
		let from = '';

		options(form.elements.priority, Object.entries(PRIORITY));
		form.addEventListener('reset', () => queueMicrotask(() => {
			form.elements.priority.value = 'NORMAL';
		}));
		menuId.addEventListener('change', () => {
			const program = menuId.selectedOptions[0]?.dataset.program;
			if (program)
				programId.value = program;
		});
		/* the times go with the day, unless they were put on another */
		productionDate.addEventListener('focus', () => { from = productionDate.value; });
		productionDate.addEventListener('change', () => {
			const to = productionDate.value;
			for (const name of ['plannedStartTime', 'plannedEndTime']) {
				const input = form.elements[name];
				if (to && from && input.value.startsWith(from))
					input.value = to + input.value.slice(10);
			}
			from = to;
		});
	}

	#wireCheck(form)
	{
		const failed = form.querySelectorAll('[data-if-failed]');
		const toggle = () => {
			for (const field of failed)
				field.hidden = form.elements.passed.value !== 'false';
		};

		options(form.elements.checkType, Object.entries(CHECK));
		options(form.elements.severity, Object.entries(SEVERITY));
		form.addEventListener('change', toggle);
		form.addEventListener('reset', () => queueMicrotask(toggle));
	}

	/** Plans one for `day`. */
	async plan(day)
	{
		const form = this.#plan.form;
		const { programs, menus, staff } = onlyActive(await this.lists());
		const field = form.elements;

		options(field.menuId, menus.map((m) => [m.id,
			[m.menuName, mealText(m.mealType)].filter(Boolean).join(' · ')]),
		    { empty: 'Pilih menu' });
		menus.forEach((m, i) => {
			field.menuId.options[i + 1].dataset.program = m.programId ?? '';
		});
		options(field.programId, programs.map((p) => [p.id, p.name]),
		    programs.length === 1 ? {} : { empty: 'Pilih program' });
		options(field.headCook, staff.map((s) => [s.id, `${s.name} (${roleText(s.role)})`]),
		    { empty: 'Pilih orang' });

		this.#plan.open(api.production.create);
		for (const node of form.querySelectorAll('[data-zone]'))
			node.textContent = zoneName();
		field.productionDate.value = day;
		field.plannedStartTime.value = `${day}T05:00`;
		field.plannedEndTime.value = `${day}T08:00`;
		field.menuId.focus();
	}

	/** Asks how many portions it became. */
	complete(production)
	{
		this.#complete.open((body, key) => api.production.setStatus(production.id,
		    { status: 'COMPLETED', ...body }, key), production);
		this.#complete.form.elements.actualPortions.value =
		    production.actualPortions ?? production.plannedPortions;
		this.#complete.form.elements.actualPortions.select();
	}

	/** Asks why. */
	cancel(production)
	{
		this.#cancel.open((body, key) => api.production.setStatus(production.id,
		    { status: 'CANCELLED', ...body }, key), production);
	}

	/** Asks what was checked. */
	check(production)
	{
		this.#check.open(({ passed, ...body }, key) => api.production.addCheck(production.id,
		    { ...body, passed: passed === 'true' }, key), production);
	}
}
