// Opens --connections connections, --parallel at a time; each sends --bytes at once when it is connected, half-closes
// and reads the answer. Reports how many came back whole; every other one with its reason. Data right after connect is
// what meets a socket pair that is only half known.
import net from 'node:net';
import { options, pattern, say } from './pattern.mjs';

const { host, port, connections, parallel, bytes, timeout } = options({
  host: '127.0.0.1',
  port: 9000,
  connections: 100,
  parallel: 10,
  bytes: 1000,
  timeout: 10,
});

const outcomes = {};
let started = 0;
let finished = 0;

function one() {
  if (started >= connections) return;
  started++;
  let answer = '';
  let over = false;
  const socket = net.connect({ host, port, allowHalfOpen: true, noDelay: true });
  const done = outcome => {
    if (over) return;
    over = true;
    socket.destroy();
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if (++finished === connections) return report();
    one();
  };
  socket.setTimeout(timeout * 1000, () => done('timeout'));
  socket.setEncoding('utf8');
  socket.on('connect', () => socket.end(pattern(0, bytes)));
  socket.on('data', text => {
    answer += text;
  });
  socket.on('error', error => done(error.code ?? error.message));
  socket.on('end', () => done(verdict(answer)));
}

function verdict(answer) {
  if (!answer.endsWith('\n')) return answer === '' ? 'no answer' : 'cut answer';
  const { bytes: arrived, wrongAt } = JSON.parse(answer);
  if (arrived !== bytes) return arrived < bytes ? 'bytes lost' : 'bytes doubled';
  return wrongAt < 0 ? 'ok' : 'bytes moved';
}

function report() {
  say({ connections, ok: outcomes.ok ?? 0, outcomes });
  process.exit(outcomes.ok === connections ? 0 : 1);
}

for (let i = 0; i < parallel; i++) one();
