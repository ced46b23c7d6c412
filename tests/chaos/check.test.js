/* The checker itself: clean books pass, each kind of fault in them is named. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { check } from './check.js';
import { hash } from './clients.js';

const A = 't-aaaaaaaaaa', B = 't-bbbbbbbbbb';
const id = (n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

function line(tenant, seq, type, more)
{
	return JSON.stringify({ type, seq, position: `e1.${seq}`, topic: 'production',
	    sppgId: tenant, ...more });
}

const created = (tenant, seq, n, mark) => line(tenant, seq, 'production_created',
    { productionId: id(n), data: { id: id(n), notes: mark } });
const record = (text) => ({ seq: JSON.parse(text).seq, raw: hash(text),
    same: hash(JSON.stringify(JSON.parse(text))) });

/** Two kitchens; A: two acts after a first row, one client that saw both. */
function books()
{
	const lines = [line(A, 1, 'menu_created', { data: { id: 'm' } }), created(A, 2, 1, 'k1'),
	    line(A, 3, 'status_changed', { productionId: id(1), data: { id: id(1) }, from: 'PLANNED', to: 'PREPARING' })];
	const other = created(B, 1, 9, 'b1');

	return {
		firstSeq: { [A]: 1, [B]: 0 },
		log: [...lines.map((text, i) => ({ sppg_id: A, seq: String(i + 1), line: text })),
		    { sppg_id: B, seq: '1', line: other }],
		acts: [
			{ tenant: A, key: 'k1', type: 'production_created', mark: 'k1', id: id(1),
			    acknowledged: { position: 'e1.2' } },
			{ tenant: A, key: 'k2', type: 'status_changed', id: id(1), from: 'PLANNED',
			    to: 'PREPARING', acknowledged: { position: 'e1.3' } },
			{ tenant: B, key: 'b1', type: 'production_created', mark: 'b1', id: id(9), acknowledged: {} },
		],
		clients: [{ name: 'ws-0', kind: 'ws', tenant: { id: A }, start: 'e1.1', trouble: [], others: [],
		    records: [{ opened: 'e1.1' }, record(lines[1]), { beat: 'e1.2' }, { opened: 'e1.2', after: 'e1.2' },
		        record(lines[2])] }],
	};
}

test('clean books pass', () => assert.deepEqual(check(books()), []));

const cases = [
	['an event missing at the end', (b) => b.clients[0].records.pop(), /stands at 2, the log's head is 3/],
	['a hole', (b) => b.clients[0].records.splice(1, 1), /got 3 after 1: 1 missing|connected at/],
	['an event twice', (b) => b.clients[0].records.push(b.clients[0].records.at(-1)), /got 3 again after 3/],
	['another text', (b) => { b.clients[0].records[1].raw = 'x'; }, /got another 2 than the log has/],
	['a heartbeat ahead', (b) => { b.clients[0].records[2].beat = 'e1.3'; }, /heartbeat says e1\.3, seen was 2/],
	['connected elsewhere', (b) => { b.clients[0].records[3].opened = 'e1.3'; }, /was connected at e1\.3/],
	['never connected', (b) => { b.clients[0].start = undefined; }, /never learned a position/],
	['trouble', (b) => b.clients[0].trouble.push('bytes of another tenant'), /ws-0: bytes of another/],
	['a foreign id', (b) => b.clients[0].others.push(`{"x":"${id(9)}"}`), /of t-bbbbbbbbbb in/],
	['seq not dense', (b) => b.log.splice(1, 1), /3 stands where 2 belongs/],
	['an act lost', (b) => { b.log.splice(2, 1); b.clients[0].records.pop(); },
	    /k2 \(status_changed\) was acknowledged at e1\.3 and is not in the log/],
	['an act twice', (b) => b.log.splice(3, 0, { sppg_id: A, seq: '4', line: created(A, 4, 1, 'k1') }),
	    /k1 \(production_created\) was done 2 times: 2, 4/],
	['an act nobody did', (b) => b.acts.splice(0, 1), /nobody asked for 2/],
	['a wrong position', (b) => { b.acts[0].acknowledged.position = 'e1.3'; }, /acknowledged at e1\.3 and stands at 2/],
	['no acknowledgement', (b) => { delete b.acts[0].acknowledged; }, /k1 .* was never acknowledged/],
	['a line of another tenant', (b) => { b.log[1].line = created(B, 2, 1, 'k1'); }, /2 is of t-bbbbbbbbbb/],
	['two epochs', (b) => { b.log[2].line = b.log[2].line.replace('e1.3', 'e2.3'); }, /epochs e1, e2/],
];

for (const [what, spoil, pattern] of cases)
	test(`named: ${what}`, () => {
		const b = books();
		spoil(b);
		const found = check(b);
		assert.ok(found.some((text) => pattern.test(text)), `${pattern}: ${found.join('\n')}`);
	});
