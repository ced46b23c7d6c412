/*
 * A PostgreSQL of the test's own that speaks TLS alone, by a certificate of its own authority. It refuses to run as
 * root, as ever.
 */
import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import pg from 'pg';
import { atEnd } from './suite.js';
import { until, within } from './wait.js';

const freePort = () => new Promise((resolve) => {
	const server = net.createServer().listen(0, '127.0.0.1', () => {
		const { port } = server.address();
		server.close(() => resolve(port));
	});
});

/* Who it runs as: { uid, gid }, or nothing when we are no root. */
function asWhom()
{
	const id = (flag, name) => Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }));

	if (process.getuid() !== 0)
		return {};
	try {
		return { uid: id('-u', 'postgres'), gid: id('-g', 'postgres') };
	} catch {
		return { uid: id('-u', 'nobody'), gid: id('-g', 'nobody') };
	}
}

function binaries()
{
	const base = '/usr/lib/postgresql';
	const versions = readdirSync(base).filter((v) => existsSync(join(base, v, 'bin/initdb')));

	return join(base, versions.sort((a, b) => Number(a) - Number(b)).at(-1), 'bin');
}

/** An authority, and certificates that it signs: { file, sign(name, extension) }. */
export function authority(folder, name)
{
	const at = (file) => join(folder, file);
	const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe' });

	openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
	    '-keyout', at(`${name}.key`), '-out', at(`${name}.pem`));
	return {
		file: at(`${name}.pem`),
		sign: (host) => {
			const [key, request, cert] = ['key', 'csr', 'crt'].map((end) => at(`${name}-server.${end}`));

			openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${host}`, '-keyout', key, '-out', request);
			writeFileSync(at('extensions'), `subjectAltName=DNS:${host}\n`);
			openssl('x509', '-req', '-in', request, '-CA', at(`${name}.pem`), '-CAkey', at(`${name}.key`),
			    '-CAcreateserial', '-days', '2', '-extfile', at('extensions'), '-out', cert);
			return { key, cert };
		},
	};
}

/** Start one; gives { host, port, ca, folder, connect(user, password), info(user, password, more) }. */
export async function startTlsPostgres(password)
{
	const who = asWhom(), bin = binaries(), port = await freePort(), host = 'localhost';
	const folder = mkdtempSync('/var/tmp/dapur-pg-');
	const data = join(folder, 'data'), word = join(folder, 'word');
	const ours = (...files) => files.forEach((file) => who.uid && chownSync(file, who.uid, who.gid));

	atEnd(() => rmSync(folder, { recursive: true, force: true }));
	chmodSync(folder, 0o755);
	const ca = authority(folder, 'ca');
	const { key, cert } = ca.sign(host);
	writeFileSync(word, `${password}\n`);
	ours(folder, word, key, cert);
	chmodSync(key, 0o600);
	execFileSync(join(bin, 'initdb'), ['-D', data, '--auth=scram-sha-256', '--username=postgres', `--pwfile=${word}`,
	    '--encoding=UTF8', '--locale=C.UTF-8', '--no-sync'], { ...who, stdio: 'pipe', cwd: folder });
	writeFileSync(join(data, 'pg_hba.conf'), 'hostssl all all all scram-sha-256\n');
	appendFileSync(join(data, 'postgresql.conf'), `listen_addresses = '127.0.0.1'\nport = ${port}\n`
	    + `unix_socket_directories = ''\nssl = on\nssl_cert_file = '${cert}'\nssl_key_file = '${key}'\nfsync = off\n`);
	const child = spawn(join(bin, 'postgres'), ['-D', data], { ...who, stdio: 'ignore', cwd: folder });
	const exited = new Promise((resolve) => { child.once('exit', resolve); });
	atEnd(() => {
		child.kill('SIGINT');
		return within(20_000, 'end of PostgreSQL', exited);
	});
	const connect = async (user, word_, database = 'dapur') => {
		const client = new pg.Client({ host: '127.0.0.1', port, user, password: word_, database,
		    ssl: { rejectUnauthorized: false } });

		client.on('error', () => {});
		await client.connect();
		atEnd(() => client.end());
		return client;
	};
	const root = await until('PostgreSQL', () => connect('postgres', password, 'postgres'), 30_000);
	return { host, port, ca, folder, root, connect,
	    info: (user, word_, more = `sslmode=verify-full sslrootcert=${ca.file}`) =>
		`host=${host} hostaddr=127.0.0.1 port=${port} dbname=dapur user=${user} password=${word_} `
		    + `gssencmode=disable ${more}` };
}
