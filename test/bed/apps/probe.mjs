// A new connection every few milliseconds, and one that stays: both talk to a server that echoes.
//
//   probe.mjs --host H --port P --seed N [--every MS] [--timeout MS]
//
// Each probe sends a line, wants it back, and closes. The one that stays sends pieces of a known sequence all the time,
// of lengths that the seed decides, and checks every byte that comes back. Now and then it prints a line of JSON with
// what has passed, the first one as soon as it is connected. At the end of standard input it finishes both, and the
// last line is the report.
import { connect } from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    host: { type: 'string' },
    port: { type: 'string' },
    every: { type: 'string', default: '20' },
    timeout: { type: 'string', default: '20000' },
    seed: { type: 'string' },
  },
});
const [port, every, timeout, seed] = [values.port, values.every, values.timeout, values.seed].map(Number);
const { host } = values;

const failures = [];
let probes = 0;
/** Those that have their answer. */
let passed = 0;
let slowest = 0;
const running = new Set();

function probe() {
  const number = probes++;
  const since = performance.now();
  const done = new Promise(resolve => {
    const line = `probe ${number} ${'x'.repeat(number % 1000)}\n`;
    const socket = connect({ port, host });
    let answer = '';
    let ended = false;
    const end = reason => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      socket.destroy();
      slowest = Math.max(slowest, performance.now() - since);
      if (reason === undefined) passed++;
      else failures.push({ number, reason, at: Math.round(performance.now() - start) });
      resolve();
    };
    const timer = setTimeout(() => end('timeout'), timeout);
    socket.setEncoding('latin1');
    socket.on('connect', () => {
      if (socket.remoteAddress !== host) end(`peer ${socket.remoteAddress}`);
      socket.write(line);
    });
    socket.on('data', text => {
      answer += text;
      if (answer.length >= line.length) end(answer === line ? undefined : 'wrong answer');
    });
    socket.on('error', error => end(error.code));
    socket.on('close', () => end('closed early'));
  });
  running.add(done);
  void done.then(() => running.delete(done));
}

/** Bytes of a sequence that does not repeat soon. */
const piece = (from, length) => Buffer.from(Array.from({ length }, (_, i) => ((from + i) * 2654435761) >>> 24));
const stream = { sent: 0, received: 0, wrongAt: -1, ended: '' };
const lasting = connect({ port, host });
lasting.on('data', data => {
  if (stream.wrongAt < 0 && !data.equals(piece(stream.received, data.length))) stream.wrongAt = stream.received;
  stream.received += data.length;
});
lasting.on('error', error => {
  stream.ended ||= error.code;
});
lasting.on('close', () => {
  stream.ended ||= 'closed';
});

/** From 1 to 4000 (a linear congruential generator). */
let state = seed >>> 0;
const pieceLength = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return 1 + Math.floor((state / 2 ** 32) * 4000);
};

const tell = () => console.log(JSON.stringify({ passed, failed: failures.length, received: stream.received }));

const start = performance.now();
let timers;
lasting.on('connect', () => {
  tell();
  timers = [
    setInterval(tell, 50),
    setInterval(probe, every),
    setInterval(() => {
      if (lasting.writableLength > 1 << 20) return;
      const length = pieceLength();
      lasting.write(piece(stream.sent, length));
      stream.sent += length;
    }, 5),
  ];
});

process.stdin
  .on('end', async () => {
    timers?.forEach(clearInterval);
    await Promise.all(running);
    for (let waited = 0; stream.received < stream.sent && waited < timeout && !stream.ended; waited += 10)
      await new Promise(resolve => setTimeout(resolve, 10));
    console.log(JSON.stringify({ probes, failures, slowest: Math.round(slowest), stream }));
    process.exit();
  })
  .resume();
