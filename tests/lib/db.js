/*
 * PostgreSQL as others see it: owner() is psql in the owner's hands, app()
 * is a connection of the application's role.
 */
import pg from 'pg';
import { env } from './env.js';
import { atEnd } from './suite.js';

let pool;

/** Run one statement as the owner. */
export function owner(text, values)
{
	if (!pool) {
		pool = new pg.Pool({ connectionString: env.DATABASE_URL, max: 4 });
		pool.on('error', () => {});
		atEnd(async () => {
			const old = pool;
			pool = undefined;
			await old.end();
		});
	}
	return pool.query(text, values);
}

/** A connection of its own, as the owner or as the application's role. */
export async function connect(url = env.APP_DATABASE_URL)
{
	const client = new pg.Client({ connectionString: url });

	client.on('error', () => {});
	await client.connect();
	atEnd(() => client.end());
	return client;
}
