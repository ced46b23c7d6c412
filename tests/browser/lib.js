/*
 * What the browser tests share: Chromium, windows of the kitchen board, and
 * the page's own modules.
 */
import { readFile } from 'node:fs/promises';

const www = new URL('../../www/', import.meta.url);

/** One of the page's modules without imports of its own, in this process. */
export async function pageModule(name)
{
	const source = await readFile(new URL(name, www), 'utf8');

	return import(`data:text/javascript,${encodeURIComponent(source)}`);
}
