/*
 * For websocketd alone, which serves no path below a program: what the page asks of /api/x/y goes to
 * /api.cgi?/x/y. Loaded by the demo's index.html before anything else.
 */
const plain = globalThis.fetch.bind(globalThis);

globalThis.fetch = (target, options) => {
	const url = new URL(target?.url ?? target, location.href);

	if (url.origin !== location.origin || !/^\/api\/[^/]+\//.test(url.pathname))
		return plain(target, options);
	const address = `/api.cgi?${url.pathname.slice(4)}${url.search.replace('?', '&')}`;
	return plain(target instanceof Request ? new Request(address, target) : address, options);
};
