/* One HTTP exchange that may be cut at any moment, and a stream of bytes. */
import http from 'node:http';

/**
 * One request and its whole answer.
 *
 * in   url, { method, headers, body, timeout_ms, agent }
 * out  { status, headers, text }
 * fails with an Error when the answer did not come whole, or not in time
 */
export function exchange(url, { method = 'GET', headers = {}, body, timeout_ms = 10_000, agent } = {})
{
	return new Promise((resolve, reject) => {
		const bytes = body === undefined ? undefined : Buffer.from(body);
		const all = { accept: 'application/json', ...headers };
		if (method !== 'GET')
			all['content-length'] = String(bytes?.length ?? 0);
		const req = http.request(url, { method, headers: all, agent }, (res) => {
			const chunks = [];
			res.on('data', (chunk) => chunks.push(chunk));
			res.on('aborted', () => fail(new Error('the answer broke off')));
			res.on('error', fail);
			res.on('end', () => {
				clearTimeout(timer);
				resolve({ status: res.statusCode, headers: res.headers,
				    text: Buffer.concat(chunks).toString('utf8') });
			});
		});
		const fail = (error) => {
			clearTimeout(timer);
			req.destroy();
			reject(error);
		};
		const timer = setTimeout(() => fail(new Error('no answer in time')), timeout_ms);
		req.on('error', fail);
		req.end(bytes);
	});
}

/** A request whose answer is read as it comes; gives { status, res, destroy }. */
export function open(url, { headers = {}, timeout_ms = 15_000 } = {})
{
	return new Promise((resolve, reject) => {
		const req = http.request(url, { headers, agent: false }, (res) => {
			clearTimeout(timer);
			res.on('error', () => {});
			resolve({ status: res.statusCode, res, destroy: () => req.destroy() });
		});
		const timer = setTimeout(() => req.destroy(new Error('no answer in time')), timeout_ms);
		req.on('error', (error) => {
			clearTimeout(timer);
			reject(error);
		});
		req.end();
	});
}
