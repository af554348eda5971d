// Sends --streams streams of the pattern, --parallel at a time, to an echo server, and checks every byte that comes
// back. Sizes are random from --least to --most, made by --seed; every third reader stays away for up to 300 ms first,
// so that bytes pile up in every hop.
import net from 'node:net';
import { MAX_CHUNK, Receiver, options, pattern, say } from './pattern.mjs';

const { host, port, streams, parallel, least, most, seed, timeout } = options({
  host: '127.0.0.1',
  port: 9000,
  streams: 100,
  parallel: 8,
  least: 1e6,
  most: 8e6,
  seed: 1,
  timeout: 30,
});

let state = seed >>> 0;
const random = below => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const plans = Array.from({ length: streams }, (_, index) => ({
  index,
  bytes: least + random(most - least),
  away: index % 3 === 0 ? random(300) : 0,
  chunk: 1000 + random(MAX_CHUNK - 1000),
}));
const bad = [];
let total = 0;
let finished = 0;

function next() {
  const plan = plans.shift();
  if (!plan) return;
  const receiver = new Receiver();
  const socket = net.connect({ host, port, allowHalfOpen: true });
  let sent = 0;
  const done = outcome => {
    socket.destroy();
    const { bytes, wrongAt } = receiver.result();
    if (outcome !== 'ok' || bytes !== plan.bytes || wrongAt >= 0)
      bad.push({ ...plan, outcome, arrived: bytes, wrongAt });
    total += bytes;
    if (++finished === streams) {
      say({ streams, bytes: total, bad });
      return;
    }
    next();
  };
  const write = () => {
    while (sent < plan.bytes) {
      const size = Math.min(plan.chunk, plan.bytes - sent);
      const room = socket.write(pattern(sent, size));
      sent += size;
      if (!room) return socket.once('drain', write);
    }
    socket.end();
  };
  socket.pause();
  setTimeout(() => socket.resume(), plan.away);
  socket.setTimeout(timeout * 1000, () => done('timeout'));
  socket.on('connect', write);
  socket.on('data', chunk => receiver.take(chunk));
  socket.once('end', () => done('ok'));
  socket.once('error', error => {
    socket.removeAllListeners('end');
    done(error.code ?? error.message);
  });
}

for (let i = 0; i < parallel; i++) next();
