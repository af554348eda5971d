// The servers of the soak, in one process. Prints a line for each stream that went wrong, and at SIGTERM, when no
// stream is open any more, what it served: {"orphans":N,"oneway":N,"bad":N}. `orphans`: streams of clients that are
// killed, `oneway`: streams of that kind that came whole; nobody else can tell.
//
//   PORT     streams (plan.mjs)
//   PORT+1   streams inside TLS
//   PORT+2   HTTP/1.1: GET /START/BYTES answers with bytes of the ramp; an upgrade turns into a stream
//   PORT+3   HTTP/2 without TLS, the same
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import { options, say } from '../pattern.mjs';
import { HEADER, decodeHeader, plan, withoutHeader } from './plan.mjs';
import { MAX_PIECE, piece } from './ramp.mjs';
import { run } from './roles.mjs';

const { port, limit } = options({ port: 9000, limit: 30_000 });

/** How long what came in place of a header may be silent, before it is judged. */
const SILENCE_MS = 500;

/**
 * Every fourth connection finds its reader away at the start, for so long: what comes meanwhile waits in the kernel.
 */
const AWAY_MS = 20;
let accepted = 0;

const served = { orphans: 0, oneway: 0, bad: 0 };
let open = 0;
let closing = false;

function blame(damage) {
  served.bad++;
  say(damage);
}

async function serve(socket, head = Buffer.alloc(0)) {
  open++;
  socket.pause();
  socket.on('error', () => {}); // whoever reads then finds it closed
  try {
    if (accepted++ % 4 === 0) await new Promise(resolve => setTimeout(resolve, AWAY_MS));
    const { header, rest } = await readHeader(socket, head);
    if (!header) return;
    if (header.family === 'dying') served.orphans++;
    const result = await run(socket, plan(header), 'server', limit, rest);
    if (result.damage) blame(result);
    else if (result.kind === 'oneway' && !result.doomed) served.oneway++;
  } finally {
    open--;
    leave();
  }
}

/** The header, or nothing: then the stream is over, and was judged. */
function readHeader(socket, head) {
  return new Promise(resolve => {
    let bytes = head;
    const stop = () => socket.off('data', onData).off('end', onEnd).off('close', onEnd).off('timeout', onTimeout);
    const over = ended => {
      stop();
      const damage = withoutHeader(bytes) ?? (ended ? undefined : { damage: 'hung' });
      if (damage) blame({ ...damage, kind: 'header', role: 'server', arrived: bytes.length });
      socket.destroy();
      resolve({});
    };
    const onEnd = () => over(true);
    const onTimeout = () => over(false);
    const onData = chunk => {
      bytes = bytes.length === 0 ? chunk : Buffer.concat([bytes, chunk]);
      if (bytes.length < HEADER) return;
      const header = decodeHeader(bytes);
      if (!header) {
        if (bytes.length > MAX_PIECE) over(false);
        return socket.setTimeout(SILENCE_MS);
      }
      socket.pause(); // until the next reader is there
      stop();
      resolve({ header, rest: bytes.subarray(HEADER) });
    };
    if (socket.destroyed) return onEnd();
    socket.on('data', onData).on('end', onEnd).on('close', onEnd).on('timeout', onTimeout);
    socket.setTimeout(limit);
    socket.resume();
    if (head.length > 0) onData(Buffer.alloc(0));
  });
}

/** /START/BYTES */
function answer(path, write, end) {
  const [, start, bytes] = path.split('/').map(Number);
  for (let at = 0; at < bytes; at += MAX_PIECE) write(piece(start, at, Math.min(MAX_PIECE, bytes - at)));
  end();
}

function certificate() {
  const pem = execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-subj',
      '/CN=bed',
      '-days',
      '1',
      '-keyout',
      '-',
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return { key: pem, cert: pem };
}

const web = http.createServer({ keepAliveTimeout: limit, requestTimeout: 0 }, (request, response) => {
  response.setHeader('content-length', request.url.split('/')[2]);
  answer(
    request.url,
    bytes => response.write(bytes),
    () => response.end(),
  );
});
web.on('upgrade', (request, socket, head) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: stream\r\n\r\n');
  void serve(socket, head);
});
const web2 = http2.createServer();
web2.on('stream', (stream, headers) => {
  stream.respond({ ':status': 200 });
  stream.on('error', () => {}); // the client judges
  answer(
    headers[':path'],
    bytes => stream.write(bytes),
    () => stream.end(),
  );
});
web2.on('sessionError', () => {});

const secure = tls.createServer({ ...certificate(), allowHalfOpen: true, noDelay: true }, socket => void serve(socket));
secure.on('tlsClientError', error =>
  blame({ damage: 'wrong', kind: 'tls', role: 'server', error: error.code ?? error.message }),
);

const servers = [
  net.createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, socket => void serve(socket)),
  secure,
  web,
  web2,
];
servers.forEach((server, index) => server.listen({ port: port + index, host: '0.0.0.0', backlog: 4096 }));

function leave() {
  if (!closing || open > 0) return;
  say(served);
  process.exit();
}
process.on('SIGTERM', () => {
  closing = true;
  leave();
});
