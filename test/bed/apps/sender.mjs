// Sends --bytes of the pattern over one connection in writes of --chunk, half-closes, and reports what the server says
// it got. With --pause a while (milliseconds) between writes. Stops after --timeout seconds with whatever it has.
import net from 'node:net';
import { MAX_CHUNK, options, pattern, say } from './pattern.mjs';

const { host, port, bytes, chunk, pause, timeout } = options({
  host: '127.0.0.1',
  port: 9000,
  bytes: 1 << 20,
  chunk: 65536,
  pause: 0,
  timeout: 60,
});

const socket = net.connect({ host, port, allowHalfOpen: true });
let sent = 0;
let answer = '';
const started = process.hrtime.bigint();
const done = outcome => {
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  let server = null;
  try {
    server = JSON.parse(answer);
  } catch {
    /* no whole answer came: say so by null */
  }
  say({ outcome, sent, written: socket.bytesWritten, seconds, server });
  process.exit(outcome === 'ok' ? 0 : 1);
};
const write = () => {
  while (sent < bytes) {
    const size = Math.min(chunk, MAX_CHUNK, bytes - sent);
    const room = socket.write(pattern(sent, size));
    sent += size;
    if (pause > 0) return setTimeout(write, pause);
    if (!room) return socket.once('drain', write);
  }
  socket.end();
};
socket.setEncoding('utf8');
socket.on('connect', write);
socket.on('data', text => {
  answer += text;
});
socket.on('end', () => done(answer.endsWith('\n') ? 'ok' : 'cut'));
socket.on('error', error => done(error.code ?? error.message));
setTimeout(() => done('timeout'), timeout * 1000);
