/*
 * What an answer should be, said once: done() for success, refused() for the
 * error shape of dapur-api(7).
 */
import assert from 'node:assert/strict';

const POSITION = /^[A-Za-z0-9_-]+\.[0-9]+$/;

/** The answer's data; fails unless it is a success with this status. */
export function done(r, status = 200)
{
	assert.equal(r.status, status, `${r.method} ${r.path}: ${r.text}`);
	assert.equal(r.body.success, true, r.text);
	assert.ok('data' in r.body, `no data: ${r.text}`);
	return r.body.data;
}

/** As done(), and the answer carries the position of the write's last event. */
export function written(r, status = 200)
{
	const data = done(r, status);
	assert.match(r.body.position ?? '', POSITION, `position: ${r.text}`);
	return data;
}

/** "k3f9.1042" -> { epoch: "k3f9", seq: 1042 }. */
export function position(text)
{
	assert.match(text ?? '', POSITION, 'position');
	const at = text.lastIndexOf('.');
	return { epoch: text.slice(0, at), seq: Number(text.slice(at + 1)) };
}

/**
 * The answer is an error with this status and code, in our shape.
 *
 * in   paths  when given: exactly the faults found, in any order
 * out  the list of faults
 */
export function refused(r, status, code, paths)
{
	const what = `${r.method} ${r.path}: ${r.text}`;
	const got = r.body ?? {};

	assert.equal(r.status, status, what);
	assert.equal(got.code, code, what);
	assert.equal(got.success, false, what);
	assert.equal(typeof got.error, 'string', what);
	assert.ok(got.error.length > 0 && got.error.length < 300, what);
	assert.ok(!/\.$/.test(got.error), `full stop: ${what}`);
	assert.ok(!/\b(SELECT|INSERT|UPDATE|pq:|libpq|ERROR:|act_|app_serve)\b/.test(r.text),
	    `innards shown: ${what}`);
	assert.equal(got.requestId, r.headers['x-request-id'], what);
	assert.ok(!('data' in got), what);

	const faults = got.errors ?? [];
	assert.ok(Array.isArray(faults), what);
	for (const fault of faults) {
		assert.equal(typeof fault.path, 'string', what);
		assert.match(fault.code, /^[A-Z][A-Z_]+$/, what);
		assert.ok(typeof fault.message === 'string' && fault.message.length > 0, what);
	}
	if (code === 'INVALID')
		assert.ok(faults.length > 0, `no errors[]: ${what}`);
	if (paths !== undefined)
		assert.deepEqual([...new Set(faults.map((f) => f.path))].sort(),
		    [paths].flat().sort(), what);
	if (status === 429 || status === 503)
		assert.match(r.headers['retry-after'] ?? '', /^[1-9][0-9]*$/, `retry-after: ${what}`);
	return faults;
}
