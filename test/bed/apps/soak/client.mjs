// The clients of the soak: runs streams of one family, --parallel at a time, numbered from --first on, until there are
// --count or --seconds are over, and prints a line of JSON: {"streams":N,"oneway":N,"refused":N,"bad":[…]}.
//
// --doomed 1 something on the way will be killed: a stream may end at any moment and connections may be refused, but
// wrong bytes are wrong --die MS this process kills itself, with its streams open --until 1 ends at the first damage
import http from 'node:http';
import net from 'node:net';
import tls from 'node:tls';
import { options, say } from '../pattern.mjs';
import { encodeHeader, plan } from './plan.mjs';
import { run } from './roles.mjs';
import { http2Session, pipeline } from './requests.mjs';

const { host, port, family, seed, first, count, parallel, seconds, limit, doomed, die, until, bytes } = options({
  host: '127.0.0.1',
  port: 9000,
  family: 'short',
  seed: 1,
  first: 0,
  count: 1,
  parallel: 1,
  seconds: 0,
  limit: 30_000,
  doomed: 0,
  die: 0,
  until: 0,
  bytes: 0,
});

/** How each family reaches its server, and what runs there. */
const families = {
  tls: index =>
    dialled(
      index,
      () => tls.connect({ host, port: port + 1, rejectUnauthorized: false, allowHalfOpen: true, timeout: limit }),
      'secureConnect',
    ),
  upgrade: index => upgraded(index),
  pipeline: index => pipeline({ host, port: port + 2, seed, index, limit }),
  http2: index => http2Session({ host, port: port + 3, seed, index, limit }),
};
const plain = index =>
  dialled(index, () => net.connect({ host, port, allowHalfOpen: true, noDelay: true, timeout: limit }), 'connect');
const one = families[family] ?? plain;

const identify = index => ({ family, seed, index, bytes, doomed: doomed === 1 });

/** A stream that never came to be. In a doomed family that is no damage. */
const unconnected = (index, error) => ({
  damage: doomed ? null : error === 'timeout' ? 'hung' : 'lost',
  refused: true,
  kind: 'connect',
  role: 'client',
  family,
  index,
  error,
});

function dialled(index, dial, event) {
  return new Promise(resolve => {
    const socket = dial();
    const fail = error => {
      socket.destroy();
      resolve(unconnected(index, error.code ?? error.message));
    };
    const timeout = () => fail({ code: 'timeout' });
    socket
      .once('error', fail)
      .once('timeout', timeout)
      .once(event, () => {
        socket.off('error', fail).off('timeout', timeout);
        const header = identify(index);
        socket.write(encodeHeader(header));
        resolve(run(socket, plan(header), 'client', limit));
      });
  });
}

function upgraded(index) {
  return new Promise(resolve => {
    const request = http.request({
      host,
      port: port + 2,
      headers: { connection: 'upgrade', upgrade: 'stream' },
      timeout: limit,
      agent: false,
    });
    const fail = error => {
      request.destroy();
      resolve(unconnected(index, error.code ?? error.message));
    };
    request
      .once('error', fail)
      .once('timeout', () => fail({ code: 'timeout' }))
      .once('response', () => fail({ code: 'not upgraded' }));
    request.once('upgrade', (response, socket, head) => {
      const header = identify(index);
      socket.write(encodeHeader(header));
      resolve(run(socket, plan(header), 'client', limit, head));
    });
    request.end();
  });
}

const bad = [];
const done = { streams: 0, oneway: 0, refused: 0 };
const started = Date.now();
let next = first;

function more() {
  if (until && bad.length > 0) return false;
  return next < first + count && (seconds === 0 || Date.now() - started < seconds * 1000);
}

async function worker() {
  while (more()) {
    const result = await one(next++);
    if (result.refused) done.refused++;
    else done.streams++;
    if (result.damage) bad.push(result);
    else if (result.kind === 'oneway' && !result.doomed) done.oneway++;
    if (result.refused && doomed) await new Promise(resolve => setTimeout(resolve, 20)); // its sidecar is coming back
  }
}

if (die > 0) setTimeout(() => process.kill(process.pid, 'SIGKILL'), die);
await Promise.all(Array.from({ length: parallel }, worker));
say({ ...done, bad });
process.exit();
