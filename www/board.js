/*
 * board: the productions of one day as columns by status. Owns what is shown:
 * the newest version of each production and its card. Never asks the server;
 * a pressed button goes to onAct(act, production).
 */
import { clock, dayOf, zoneName } from './day.js';
import { MOVE, PRIORITY, STATUS, mealText, numberText } from './text.js';

const ORDER = Object.keys(STATUS);
const CHECKABLE = new Set(['COOKING', 'QUALITY_CHECK']);

/** The status after this one on the usual way, or undefined at its end. */
export function nextStatus(status)
{
	const next = ORDER[ORDER.indexOf(status) + 1];

	return next in MOVE ? next : undefined;
}

/** The acts that this role may do to this production, as data-act names. */
export function actsFor(production, may)
{
	const acts = new Set(['history']);

	if (may('PRODUCTION_MANAGE') && nextStatus(production.status))
		acts.add('move').add('cancel');
	if (may('QUALITY_MANAGE') && CHECKABLE.has(production.status))
		acts.add('check');
	return acts;
}

/** What people call it: its menu's name. */
export function titleOf(production)
{
	return production.menu?.menuName ?? production.batchNumber;
}

function clone(id)
{
	return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Text into the element marked data-NAME; no text hides it. */
function fill(root, name, text)
{
	const node = root.querySelector(`[data-${name}]`);

	node.textContent = text ?? '';
	node.hidden = !text;
}

const before = (a, b) =>
	a.plannedStartTime.localeCompare(b.plannedStartTime) ||
	a.batchNumber.localeCompare(b.batchNumber) || a.id.localeCompare(b.id);

export class Board {
	#columns = new Map();    /* status -> {root, cards, jump} */
	#shown = new Map();      /* id -> {production, card} */
	#gone = new Set();       /* ids deleted while this list was shown */
	#day = '';
	#may = () => false;
	#nameOf = (id) => id;

	/** in: root, the #board element; onAct(act, production) */
	constructor(root, onAct)
	{
		for (const status of ORDER)
			this.#addColumn(root, status);
		root.addEventListener('click', (e) => {
			const act = e.target.closest('.card [data-act]')?.dataset.act;
			if (act)
				onAct(act, this.get(e.target.closest('.card').dataset.id));
		});
	}

	#addColumn(root, status)
	{
		const folded = status === 'CANCELLED';
		const column = folded ? root.querySelector('.cancelled') : clone('column');
		const jump = document.createElement('a');

		column.id = `column-${status}`;
		column.dataset.status = status;
		jump.href = `#${column.id}`;
		jump.dataset.status = status;
		jump.hidden = folded;
		root.querySelector('.jump').append(jump);
		if (!folded) {
			fill(column, 'name', STATUS[status]);
			root.querySelector('.columns').append(column);
		}
		this.#columns.set(status, {
			root: column, jump, cards: column.querySelector('.cards'),
		});
	}

	/** may(permission) -> bool, and nameOf(person's id) -> text; redraws. */
	know(may, nameOf)
	{
		this.#may = may;
		this.#nameOf = nameOf;
		for (const { production, card } of this.#shown.values())
			this.#draw(card, production);
	}

	/** Shows exactly this list, as of one moment, for this day. */
	show(day, list)
	{
		const keep = new Set(list.map((production) => production.id));

		this.#day = day;
		this.#gone.clear();
		for (const id of this.#shown.keys())
			if (!keep.has(id))
				this.#take(id);
		for (const production of list)
			this.put(production);
		this.#count();
	}

	/** The production with this id as it is shown. */
	get(id)
	{
		return this.#shown.get(id)?.production;
	}

	/**
	 * Shows this state of a production, unless a newer one is shown or it is of
	 * another day. `fresh` marks the card for a moment.
	 */
	put(production, fresh = false)
	{
		const { id, version } = production;
		const shown = this.#shown.get(id);

		if (this.#gone.has(id) || shown?.production.version > version)
			return;
		if (dayOf(production.productionDate) !== this.#day) {
			this.#take(id);
			this.#count();
			return;
		}
		const card = shown?.card ?? clone('card');
		const moved = shown?.production.status !== production.status;
		this.#shown.set(id, { production, card });
		this.#draw(card, production);
		this.#place(card, production);
		if (fresh && moved)
			this.#mark(card);
		this.#count();
	}

	/** Takes a deleted production away for good. */
	remove(id)
	{
		this.#gone.add(id);
		this.#take(id);
		this.#count();
	}

	/** A card that waits for the server cannot be pressed. */
	busy(id, on)
	{
		const card = this.#shown.get(id)?.card;

		for (const button of card?.querySelectorAll('button') ?? [])
			button.disabled = on;
	}

	/** What went wrong with this production; null clears it. */
	fault(id, text)
	{
		const card = this.#shown.get(id)?.card;

		if (card)
			fill(card, 'fault', text);
	}

	#take(id)
	{
		this.#shown.get(id)?.card.remove();
		this.#shown.delete(id);
	}

	#draw(card, p)
	{
		const acts = actsFor(p, this.#may);
		const made = p.actualPortions ?? p.plannedPortions;

		card.dataset.id = p.id;
		card.dataset.status = p.status;
		fill(card, 'title', titleOf(p));
		fill(card, 'meal', mealText(p.menu?.mealType));
		fill(card, 'priority', p.priority === 'NORMAL' ? '' : PRIORITY[p.priority]);
		card.querySelector('[data-priority]').classList.toggle('low', p.priority === 'LOW');
		card.querySelector('[data-passed]').hidden = p.qualityPassed !== true;
		card.querySelector('[data-failed]').hidden = p.qualityPassed !== false;
		fill(card, 'portions', numberText(made));
		fill(card, 'planned', made === p.plannedPortions ? ''
		    : `dari ${numberText(p.plannedPortions)}`);
		fill(card, 'times', `${clock(p.plannedStartTime)}–${clock(p.plannedEndTime)}`);
		fill(card, 'zone', zoneName());
		fill(card, 'cook', this.#nameOf(p.headCook));
		fill(card, 'batch', p.batchNumber);
		fill(card, 'reason', p.status === 'CANCELLED' && p.rejectionReason
		    ? `Alasan: ${p.rejectionReason}` : '');
		fill(card, 'fault', '');
		card.querySelector('[data-act=move]').textContent = MOVE[nextStatus(p.status)] ?? '';
		for (const button of card.querySelectorAll('[data-act]'))
			button.hidden = !acts.has(button.dataset.act);
	}

	/** Into its column, by planned start; a card in its place is left alone. */
	#place(card, production)
	{
		const cards = this.#columns.get(production.status).cards;
		const next = [...cards.children].find((other) => other !== card &&
		    before(production, this.get(other.dataset.id)) < 0) ?? null;

		if (card.parentNode === cards && card.nextElementSibling === next)
			return;
		const focused = card.contains(document.activeElement);
		cards.insertBefore(card, next);
		if (focused)
			(card.querySelector('[data-act=move]:not([hidden])') ?? card).focus();
	}

	#mark(card)
	{
		card.classList.remove('fresh');
		void card.offsetWidth;          /* lets the animation begin anew */
		card.classList.add('fresh');
	}

	#count()
	{
		for (const [status, { root, cards, jump }] of this.#columns) {
			const n = cards.childElementCount;
			let portions = 0;

			for (const card of cards.children) {
				const p = this.get(card.dataset.id);
				portions += p.actualPortions ?? p.plannedPortions;
			}
			root.querySelector('.count').textContent = n;
			jump.textContent = `${STATUS[status]} ${n}`;
			root.classList.toggle('empty', n === 0);
			if (status !== 'CANCELLED')
				fill(root, 'sum', n ? `${numberText(portions)} porsi` : 'Kosong');
		}
	}
}
