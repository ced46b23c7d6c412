/*
 * app: puts the parts together. Who is logged in, which day is shown, the
 * list of that day and the feed that goes on from it.
 */
import * as api from './api.js';
import { Board, nextStatus, titleOf } from './board.js';
import { clock, dayOf, dayText, plusDays, setZone, today } from './day.js';
import { Feed } from './feed.js';
import { Forms, closeAll, logInForm } from './forms.js';
import { History } from './history.js';
import { STATUS, errorText, eventText, roleText } from './text.js';

const logInPage = document.getElementById('login');
const boardPage = document.getElementById('board');
const part = (name) => boardPage.querySelector(name);

let who = null;                  /* GET /api/session, or null: logged out */
let day = today();
let following = true;            /* the day shown is today, also after midnight */
let names = new Map();           /* id of a person -> name */
let loads = 0;                   /* counts load(): only the last may draw */

const may = (permission) => who?.permissions.includes(permission) ?? false;
const nameOf = (id) => names.get(id) ?? (id ? 'Orang lain' : '');

/** Waits before another try: 1 s at first, 8 s at most, half of it random. */
const patience = (tries) => new Promise((done) => {
	setTimeout(done, Math.min(8000, 1000 * 2 ** tries) * (0.5 + Math.random() / 2));
});

const board = new Board(boardPage, (act, production) => ACTS[act](production));
const forms = new Forms({
	onSaved: saved,
	onChecked: () => news('Cek mutu tersimpan.'),
	onFault: elsewhere,
});
const story = new History({ nameOf, onFault: elsewhere });
const feed = new Feed({
	url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/api/ws`,
	eventsUrl: '/api/events',
	onEvent: apply,
	onHint: hint,
	onReset: load,
	onState: linkChanged,
	onRefused: () => api.session.get().then(() => true, (fault) => fault.status !== 401),
	onEnd: () => leave('Sesi Anda sudah berakhir. Silakan masuk lagi.'),
});

/* ---- who ---- */

logInForm(logInPage, enter);
/** On opening the page: straight to the board with a session, else log in. */
async function begin()
{
	const opening = document.querySelector('#opening p');

	for (let tries = 0;; tries++) {
		try {
			const { data } = await api.session.get();
			enter(data);
			return;
		} catch (fault) {
			if (elsewhere(fault, ''))
				return;
			opening.textContent = `${errorText(fault)} Halaman ini mencoba terus.`;
		}
		await patience(tries);
	}
}

function enter(session)
{
	introduce(session);
	names = new Map();
	forms.forget();
	show(today());
	learnNames();
	turnTo(boardPage);
	part('[data-kitchen]').focus();
}

/** Who is here now, and what the role may do. */
function introduce(session)
{
	who = session;
	setZone(who.sppg.timezone);
	part('[data-kitchen]').textContent = who.sppg.name;
	part('[data-who]').textContent = `${who.user.name} · ${roleText(who.user.role)}`;
	part('[data-act=plan]').hidden = !may('PRODUCTION_MANAGE');
	document.title = `${who.sppg.name} · Dapur`;
	board.know(may, nameOf);
}

function turnTo(page)
{
	for (const each of document.querySelectorAll('[data-page]'))
		each.hidden = each !== page;
}

/** To the log-in page, saying why. */
function leave(why)
{
	const notice = logInPage.querySelector('[data-notice]');

	who = null;
	loads++;
	feed.stop();
	closeAll();
	board.show(day, []);
	document.title = 'Dapur';
	notice.textContent = why;
	notice.hidden = !why;
	turnTo(logInPage);
}

/**
 * True when a fault ended the session: then it is not for a form to show.
 * Throws what is no fault of a call but a mistake of this page.
 */
function elsewhere(fault, why = errorText(fault))
{
	if (!(fault instanceof api.ApiError))
		throw fault;
	if (fault.code !== 'UNAUTHORIZED')
		return false;
	leave(why);
	return true;
}

async function learnNames()
{
	try {
		const { staff } = await forms.lists();
		names = new Map(staff.map((person) => [person.id, person.name]));
	} catch (fault) {
		/* the board is of use without names, and an event may bring them */
		console.warn('no names', fault);
	}
	board.know(may, nameOf);
}

/* ---- the list, and the feed from its position on ---- */

function show(newDay)
{
	if (newDay !== day)
		board.show(newDay, []);
	day = newDay;
	following = day === today();
	part('[data-day]').textContent = dayText(day);
	part('[data-act=day-today]').hidden = following;
	document.getElementById('board-day').value = day;
	load();
}

/** Reads the day's list, again and again until it is there, then opens the feed. */
async function load()
{
	const mine = ++loads;

	feed.stop();
	for (let tries = 0; mine === loads; tries++) {
		try {
			const { data, position } = await api.production.day(day);
			if (mine !== loads)
				return;
			board.know(may, nameOf);
			board.show(day, data);
			notice('');
			feed.start(position);
			return;
		} catch (fault) {
			if (mine !== loads || elsewhere(fault))
				return;
			notice(`${errorText(fault)} Halaman ini mencoba terus.`);
		}
		await patience(tries);
	}
}

function apply(event)
{
	if (event.topic !== 'production') {
		forms.forget();
		learnNames();
		if (event.staffId === who.user.id)      /* my name or role changed */
			api.session.get().then(({ data }) => introduce(data)).catch(elsewhere);
		return;
	}
	const production = event.production ?? event.data;
	if (event.type === 'production_deleted')
		board.remove(event.productionId);
	else
		board.put(production, true);
	story.refresh(production);
	if (event.userId !== who.user.id && dayOf(production.productionDate) === day)
		news(newsOf(event, production));
}

function newsOf(event, production)
{
	const what = event.type === 'status_changed' ? STATUS[event.to] : eventText(event.type);
	const by = names.get(event.userId);

	return `${titleOf(production)}: ${what}${by ? ` – ${by}` : ''}`;
}

/* somebody else publishes on the bus: what changed is in the list, soon */
let hinted;
function hint()
{
	clearTimeout(hinted);
	hinted = setTimeout(() => who && load(), 1000);
}

/* ---- the line to the server ---- */

let sureAt = null;               /* until when the board is known to be true */

function linkChanged({ state, failures })
{
	if (state === 'live')
		sureAt = null;
	else if (part('[data-link]').dataset.state === 'live')
		sureAt = feed.heardAt;
	drawLink();
	/* a socket that never opens may be a session that ended */
	if (state === 'waiting' && failures > 0 && failures % 3 === 0)
		api.session.get().catch(elsewhere);
}

function drawLink()
{
	const { state } = feed.state;
	const link = part('[data-link]');
	const said = {
		off: 'Memuat…',
		connecting: 'Menyambung…',
		live: 'Langsung',
		waiting: navigator.onLine ? 'Terputus, mencoba lagi…' : 'Tidak ada jaringan',
	}[state];
	const text = sureAt ? `${said} · keadaan pukul ${clock(sureAt)}` : said;

	link.dataset.state = state;
	link.textContent = text;
	part('[data-act=again]').hidden = state !== 'waiting';
}

/* midnight: a board that shows today goes on with the new one */
setInterval(() => {
	if (who && following && day !== today())
		show(today());
}, 5000);

window.addEventListener('online', () => feed.check());
window.addEventListener('offline', drawLink);
window.addEventListener('pageshow', (e) => e.persisted && feed.check());
document.addEventListener('visibilitychange', () => {
	if (!document.hidden)
		feed.check();
});

/* ---- what can be pressed ---- */

const ACTS = {
	history: (production) => story.show(production),
	check: (production) => forms.check(production),
	cancel: (production) => forms.cancel(production),
	move: (production) => nextStatus(production.status) === 'COMPLETED'
		? forms.complete(production) : move(production),
};

async function move({ id, status })
{
	board.busy(id, true);
	board.fault(id, '');
	try {
		const { data } = await api.production.setStatus(id, { status: nextStatus(status) });
		board.put(data, true);
	} catch (fault) {
		if (!elsewhere(fault))
			board.fault(id, errorText(fault));
	} finally {
		board.busy(id, false);
	}
}

/** Shows what the server answered without waiting for the event. */
function saved(production)
{
	board.put(production, true);
	if (dayOf(production.productionDate) !== day)
		news(`Tersimpan untuk ${dayText(dayOf(production.productionDate))}.`);
}

const PRESSED = {
	'again': () => feed.check(),
	'day-before': () => show(plusDays(day, -1)),
	'day-after': () => show(plusDays(day, 1)),
	'day-today': () => show(today()),
	'plan': () => forms.plan(day),
	'leave': async () => {
		await api.session.close();
		leave('');
	},
};

boardPage.addEventListener('click', async (e) => {
	const button = e.target.closest('[data-act]');
	const press = PRESSED[button?.dataset.act];
	if (!press)
		return;
	button.disabled = true;
	try {
		await press();
	} catch (fault) {
		if (!elsewhere(fault))
			notice(errorText(fault));
	} finally {
		button.disabled = false;
	}
});

document.getElementById('board-day').addEventListener('change', (e) => {
	if (e.target.value)
		show(e.target.value);
});

/* ---- saying things ---- */

function notice(text)
{
	const node = part('[data-notice]');

	node.textContent = text;
	node.hidden = !text;
}

let newsTimer;
function news(text)
{
	const node = document.getElementById('news');

	clearTimeout(newsTimer);
	node.textContent = text;
	newsTimer = setTimeout(() => { node.textContent = ''; }, 6000);
}

begin();
