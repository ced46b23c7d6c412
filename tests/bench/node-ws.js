/*
 * What a plain Node service would do: one process, `ws` and ioredis, a SUBSCRIBE per kitchen, each message to that
 * kitchen's sockets. No session, no positions, no replay. Prints its port.
 */
import Redis from 'ioredis';
import { WebSocketServer } from 'ws';

const redis = new Redis(process.env.REDIS_URL, { enableReadyCheck: false });
const kitchens = new Map();
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => console.log(server.address().port));

server.on('connection', (socket, request) => {
	const channel = `production:updates:${request.url.slice(1)}`;
	const sockets = kitchens.get(channel) ?? new Set();

	if (!kitchens.has(channel)) {
		kitchens.set(channel, sockets);
		redis.subscribe(channel);
	}
	sockets.add(socket);
	socket.on('close', () => sockets.delete(socket));
});
redis.on('message', (channel, line) => {
	for (const socket of kitchens.get(channel) ?? [])
		socket.send(line);
});
