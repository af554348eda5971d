// A new connection every few milliseconds, and one that stays: both talk to a server that echoes.
//
//   probe.mjs --host H --port P [--every MS] [--timeout MS]
//
// Each probe sends a line, wants it back, and closes. The one that stays sends pieces of a known sequence all the time
// and checks every byte that comes back. At the end of standard input it finishes both and reports one line of JSON;
// before that it prints "ready" once.
import { connect } from 'node:net';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    host: { type: 'string' },
    port: { type: 'string' },
    every: { type: 'string', default: '20' },
    timeout: { type: 'string', default: '5000' },
  },
});
const [port, every, timeout] = [values.port, values.every, values.timeout].map(Number);
const { host } = values;

const failures = [];
let probes = 0;
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
      if (reason) failures.push({ number, reason, at: Math.round(performance.now() - start) });
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

const start = performance.now();
let timers;
lasting.on('connect', () => {
  console.log('ready');
  timers = [
    setInterval(probe, every),
    setInterval(() => {
      if (lasting.writableLength > 1 << 20) return;
      const length = 1 + Math.floor(Math.random() * 4000);
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
