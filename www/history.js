/*
 * history: the dialog that tells one production's story: its facts, its
 * quality checks, and who did what when. Reads anew when an event comes.
 */
import * as api from './api.js';
import { titleOf } from './board.js';
import { moment, span, zoneName } from './day.js';
import { CHECK, PRIORITY, SEVERITY, STATUS, errorText, eventText, numberText } from './text.js';

function element(name, text, className)
{
	const node = document.createElement(name);

	node.textContent = text;
	if (className)
		node.className = className;
	return node;
}

/** [[term, text]] -> dt and dd; terms without text are left out. */
function facts(p, nameOf)
{
	return [
		['Tahap', STATUS[p.status]],
		['Program', p.program?.name],
		['Kepala masak', nameOf(p.headCook)],
		['Porsi rencana', numberText(p.plannedPortions)],
		['Porsi jadi', p.actualPortions && numberText(p.actualPortions)],
		[`Rencana (${zoneName()})`, span(p.plannedStartTime, p.plannedEndTime)],
		[`Nyatanya (${zoneName()})`, p.actualStartTime && span(p.actualStartTime, p.actualEndTime)],
		['Prioritas', PRIORITY[p.priority]],
		['Alasan batal', p.status === 'CANCELLED' && p.rejectionReason],
		['Catatan', p.notes],
	].filter(([, text]) => text)
		.flatMap(([term, text]) => [element('dt', term), element('dd', text)]);
}

/** One line of a list: when and who, then what. */
function line(at, who, what, className)
{
	const item = element('li', '', className);

	item.append(element('span', [moment(at), who].filter(Boolean).join(' · '), 'soft'),
	    element('span', what));
	return item;
}

function checkLine(check, nameOf)
{
	const result = check.passed ? 'lulus'
		: ['tidak lulus', SEVERITY[check.severity]?.toLowerCase()].filter(Boolean).join(', ');
	const seen = [check.actualValue, check.expectedValue && `seharusnya ${check.expectedValue}`]
		.filter(Boolean).join('; ');
	const what = `${CHECK[check.checkType]}: ${check.parameter} – ${seen} (${result})`;

	return line(check.checkTime ?? check.createdAt, nameOf(check.checkedBy),
	    [what, check.actionTaken, check.notes].filter(Boolean).join('. '),
	    check.passed ? 'good' : 'bad');
}

function eventLine(event, nameOf)
{
	const what = event.type === 'status_changed'
		? `${STATUS[event.from]} → ${STATUS[event.to]}` : eventText(event.type);

	return line(event.timestamp, nameOf(event.userId), what);
}

function list(node, lines, none)
{
	node.replaceChildren(...lines.length ? lines : [element('li', none, 'soft')]);
}

export class History {
	#root = document.getElementById('history');
	#nameOf;
	#onFault;
	#id = null;

	/** in: nameOf(person's id), onFault(fault) -> true when dealt with elsewhere */
	constructor({ nameOf, onFault })
	{
		this.#nameOf = nameOf;
		this.#onFault = onFault;
		this.#root.addEventListener('close', () => { this.#id = null; });
	}

	/** Opens the dialog. */
	show(production)
	{
		this.#id = production.id;
		this.#draw(production, [], []);
		this.#root.showModal();
		return this.refresh(production);
	}

	/** Reads the checks and events anew, if this production is the one shown. */
	async refresh(production)
	{
		const { id } = production;

		if (id !== this.#id)
			return;
		try {
			const [checks, events] = await Promise.all([
				api.production.checks(id), api.production.events(id),
			]);
			if (id === this.#id)
				this.#draw(production, checks.data, events.data);
		} catch (fault) {
			if (!this.#onFault(fault))
				this.#say(errorText(fault));
		}
	}

	#draw(production, checks, events)
	{
		const part = (name) => this.#root.querySelector(name);

		part('[data-which]').textContent = `${titleOf(production)} · ${production.batchNumber}`;
		part('.facts').replaceChildren(...facts(production, this.#nameOf));
		list(part('[data-checks]'), checks.map((c) => checkLine(c, this.#nameOf)), 'Belum ada.');
		list(part('[data-events]'), events.map((e) => eventLine(e, this.#nameOf)), 'Belum ada.');
		this.#say('');
	}

	#say(text)
	{
		const fault = this.#root.querySelector('[data-fault]');

		fault.textContent = text;
		fault.hidden = !text;
	}
}
