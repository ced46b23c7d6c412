/* Plain ioredis clients, as a Next.js program beside us would make them. */
import Redis from 'ioredis';
import { env } from './env.js';
import { atEnd } from './suite.js';
import { within } from './wait.js';

/** A connected client; closed at the end of the file. */
export async function redis()
{
	const client = new Redis(env.REDIS_URL.replace(/^unix:(\/\/)?/, ''),
	    { lazyConnect: true, maxRetriesPerRequest: null });

	client.on('error', () => {});
	await client.connect();
	atEnd(() => client.disconnect());
	return client;
}

/** Subscribe to a pattern; .next(match) as with a stream, { channel, text }. */
export async function listen(pattern)
{
	const client = await redis();
	const messages = [];
	let wake = () => {};
	let seen = 0;

	client.on('pmessage', (_, channel, text) => {
		messages.push({ channel, text });
		wake();
	});
	await client.psubscribe(pattern);
	return {
		messages,
		next: (match, ms = 15_000) => within(ms,
		    () => `message on ${pattern}; saw ${messages.map((m) => m.channel)}`,
		    (async () => {
			for (;;) {
				while (seen < messages.length) {
					const message = messages[seen++];
					if (match(message))
						return message;
				}
				await new Promise((resolve) => { wake = resolve; });
			}
		})()),
	};
}
