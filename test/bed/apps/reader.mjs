// Connects, reads nothing for --seconds, then reads to the end and reports what came: a client that stops reading.
// Pair it with `server.mjs --mode push`.
import net from 'node:net';
import { Receiver, options, say } from './pattern.mjs';

const { host, port, seconds, timeout } = options({ host: '127.0.0.1', port: 9000, seconds: 3, timeout: 60 });

const receiver = new Receiver();
const socket = net.connect({ host, port, allowHalfOpen: true });
const done = outcome => {
  say({ outcome, ...receiver.result() });
  process.exit(outcome === 'ok' ? 0 : 1);
};
socket.pause();
socket.on('data', chunk => receiver.take(chunk));
socket.on('end', () => {
  socket.end();
  done('ok');
});
socket.on('error', error => done(error.code ?? error.message));
setTimeout(() => socket.resume(), seconds * 1000);
setTimeout(() => done('timeout'), timeout * 1000);
