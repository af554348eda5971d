/**
 * What an API server, or somebody in its place, sends to hurt the agent: it is told, it is tried again, and `close`
 * resolves.
 */
import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { KubernetesPods, type KubernetesError } from '../../src/kubernetes';
import { podOf } from '../kube/pod-client';
import { RawServer, body, emptyList, type RawAnswer } from '../kube/raw-server';
import { retry } from '../kube/scene';
import { until } from '../kube/until';

const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.c2VjcmV0/+Zm9yIG5vYm9keQ.c2lnbmF0dXJl+/w==';

interface Scene {
  readonly server: RawServer;
  readonly source: KubernetesPods;
  readonly told: KubernetesError[];
}

async function scene(
  work: (scene: Scene) => Promise<void>,
  options: Partial<ConstructorParameters<typeof KubernetesPods>[0]> = {},
): Promise<void> {
  const server = await RawServer.start();
  const source = new KubernetesPods({
    nodeName: 'worker',
    server: { url: server.url, ca: server.ca, token: TOKEN },
    retry,
    watchSeconds: 3600,
    ...options,
  });
  const told: KubernetesError[] = [];
  source
    .on('error', error => told.push(error as KubernetesError))
    .on('disconnected', reason => told.push(reason as KubernetesError));
  try {
    await work({ server, source, told });
    await closesAtOnce(source);
  } finally {
    await server.close(); // first: it frees a source that hangs
    await source.close();
  }
}

/** A source that hangs here would hang its agent for ever. */
async function closesAtOnce(source: KubernetesPods): Promise<void> {
  const abort = new AbortController();
  const first = await Promise.race([
    source.close().then(() => 'closed'),
    setTimeout(10_000, 'close() does not resolve', { signal: abort.signal }).catch(() => ''),
  ]);
  abort.abort();
  assert.equal(first, 'closed');
}

const raw =
  (bytes: string): RawAnswer =>
  socket =>
    void socket.write(bytes);
const HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

/** Writes something again and again for as long as the other end reads. */
function flood(chunk: string): RawAnswer {
  return socket => {
    const write = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on('drain', write);
    write();
  };
}

const ENDS: readonly (readonly [string, RawAnswer, RegExp])[] = [
  [
    '101 with an upgrade',
    raw('HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'),
    /PROTOCOL.*101: it switched to another protocol/,
  ],
  ['101 without a word about what to', raw('HTTP/1.1 101 Switching Protocols\r\n\r\n'), /PROTOCOL.*101/],
  [
    '101 with bytes behind it',
    raw('HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\nPRI * HTTP/2.0\r\n\r\n'),
    /PROTOCOL.*101/,
  ],
  [
    '200 with an upgrade',
    raw('HTTP/1.1 200 OK\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'),
    /no data|did not end|not JSON|aborted/,
  ],
  [
    'a flood of 103',
    flood('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'.repeat(100)),
    /PROTOCOL.*more than 16 responses with status 103/,
  ],
  [
    'a flood of 100',
    flood('HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)),
    /PROTOCOL.*more than 16 responses with status 100/,
  ],
  [
    'a flood of 102 that ends in 200',
    (socket, head) => {
      socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(17));
      emptyList(socket, head);
    },
    /PROTOCOL.*more than 16 responses with status 102/,
  ],
  ['the end of the stream before the head', socket => void socket.end(), /UNAVAILABLE.*socket hang up/],
  ['a reset before the head', socket => void socket.destroy(), /UNAVAILABLE.*(socket hang up|ECONNRESET)/],
  [
    'the end in the middle of the head',
    socket => void socket.end('HTTP/1.1 200 OK\r\ncontent-le'),
    /UNAVAILABLE.*(socket hang up|Parse Error)/,
  ],
  ['the end after 103', socket => void socket.end('HTTP/1.1 103 Early Hints\r\n\r\n'), /UNAVAILABLE.*socket hang up/],
  ['no HTTP', raw('SSH-2.0-OpenSSH_9.2\r\n'), /UNAVAILABLE.*Parse Error/],
  ['an unending head', flood('x-filler: 0123456789\r\n'.repeat(1000)), /UNAVAILABLE.*Parse Error/],
  [
    'two lengths',
    raw('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}'),
    /UNAVAILABLE.*Parse Error/,
  ],
  ['204', raw('HTTP/1.1 204 No Content\r\n\r\n'), /STATUS.*204/],
  ['304', raw('HTTP/1.1 304 Not Modified\r\n\r\n'), /STATUS.*304/],
  ['a redirect', raw('HTTP/1.1 302 Found\r\nlocation: https://elsewhere/\r\ncontent-length: 0\r\n\r\n'), /STATUS.*302/],
  [
    'a refusal without end',
    socket => {
      socket.write('HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n');
    },
    /STATUS.*500 x/,
  ],
  [
    'a refusal that floods',
    socket => {
      socket.write('HTTP/1.1 500 Oops\r\n\r\n');
      flood('x'.repeat(65_536))(socket, '');
    },
    /STATUS.*500 x{300}… \(65536 characters\)/,
  ],
  ['the head and then the end', socket => void socket.end(HEAD), /UNAVAILABLE.*aborted|PROTOCOL.*not JSON/],
  ['a chunk that is none', raw(`${HEAD}zz\r\n`), /UNAVAILABLE.*(Parse Error|aborted)/],
];

for (const [what, answer, message] of ENDS) {
  test(`hostile API server: ${what} is told, tried again, and close() resolves`, { timeout: 120_000 }, () =>
    scene(async ({ server, source, told }) => {
      server.answers.push(answer);
      source.start();
      const silent = /200 with an upgrade/.test(what);
      if (silent) {
        // a body that has not begun: only time, or its owner, ends that
        await until('asked', () => server.heads.length === 1);
        return;
      }
      await until('told', () => told.length > 0);
      assert.match(`${told[0]!.code} ${told[0]!.message}`, message);
      await until('synced by the next attempt', () => server.heads.some(head => head.includes('watch=')));
      await source.synced;
      await until('the bad connection is given up', () => server.open === 1);
    }),
  );
}

test(
  'hostile API server: a watch that is answered with 101, again and again, is tried again each time',
  { timeout: 120_000 },
  () =>
    scene(async ({ server, source, told }) => {
      server.otherwise = (socket, head) => (head.includes('watch=') ? ENDS[0]![1] : emptyList)(socket, head);
      source.start();
      await until('three times', () => told.filter(({ message }) => /101/.test(message)).length >= 6);
      assert.ok(server.open <= 1);
    }),
);

for (const [what, answer] of [
  ['nothing', () => undefined],
  ['a part of the head', raw('HTTP/1.1 200')],
  ['102 and then nothing', raw('HTTP/1.1 102 Processing\r\n\r\n')],
  ['the head and then nothing', raw(HEAD)],
  ['a part of the body', raw(`${HEAD}2\r\n{"\r\n`)],
  ['a refusal and then nothing', raw('HTTP/1.1 500 Oops\r\ncontent-length: 9\r\n\r\n')],
] as const) {
  test(`hostile API server: close() resolves while there came ${what}`, { timeout: 120_000 }, () =>
    scene(async ({ server, source }) => {
      server.answers.push(answer);
      source.start();
      await until('asked', () => server.heads.length === 1);
      await setTimeout(50);
    }),
  );
}

/** All that anybody gets to see of an error: its message, its properties, what led to it. */
function visible(error: Error): string {
  return [
    error.message,
    error.stack,
    String(error.cause),
    inspect(error, { depth: 10, showHidden: true, maxStringLength: Infinity, maxArrayLength: Infinity }),
    JSON.stringify(error),
  ].join('\n');
}

/**
 * Forms in which a token may come back. The last characters of the first piece are enough for a finding: half a token
 * is one, too.
 */
const FORMS: readonly (readonly [string, (token: string) => string])[] = [
  ['as it is', token => token],
  ['with its header', token => `authorization: Bearer ${token}`],
  ['URL-encoded', token => `Authorization%3A%20Bearer%20${encodeURIComponent(token)}`],
  [
    'with each character URL-encoded',
    token => [...Buffer.from(token)].map(byte => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  ],
  ['as JSON in a text', token => JSON.stringify({ headers: { authorization: `Bearer ${token}` } })],
  [
    'with escapes of JSON',
    token => [...token].map(character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join(''),
  ],
  ['in base64', token => Buffer.from(token).toString('base64')],
  ['in hex', token => Buffer.from(token).toString('hex')],
  ['behind 250 characters', token => `${'x'.repeat(250)} ${token}`],
  ['behind a control character', token => `${token.slice(0, 20)}\u0000${token.slice(20)}`],
];

/** Ways of a server to say something. */
const ECHOES: readonly (readonly [string, (text: string) => RawAnswer])[] = [
  [
    'the message of a Status',
    text => body(JSON.stringify({ kind: 'Status', message: `bad request: ${text}` }), '400 Bad Request'),
  ],
  ['the text of a refusal', text => body(`<pre>${text}</pre>`, '403 Forbidden')],
  ['a list that is no JSON', text => body(`{${text}`)],
  ['a list that is text', text => body(JSON.stringify(text))],
  ['no HTTP', text => socket => void socket.end(`${text}\r\n`)],
  [
    'an ERROR event',
    text => (socket, head) => {
      if (!head.includes('watch=')) return emptyList(socket, head);
      body(`${JSON.stringify({ type: 'ERROR', object: { code: 500, message: text } })}\n`)(socket, head);
    },
  ],
  [
    'the type of an event',
    text => (socket, head) => {
      if (!head.includes('watch=')) return emptyList(socket, head);
      body(`${JSON.stringify({ type: text, object: {} })}\n`)(socket, head);
    },
  ],
  [
    'a pod',
    text => {
      const pod = podOf({ name: text, node: 'worker', ips: ['10.3.0.1'] }) as unknown as {
        metadata: { annotations: Record<string, string>; [name: string]: unknown };
        status?: unknown;
      };
      Object.assign(pod.metadata, { uid: 'u', resourceVersion: '1', namespace: text });
      pod.metadata.annotations['merbridge.io/acceleration'] = text;
      return body(
        JSON.stringify({
          metadata: { resourceVersion: '1' },
          items: [{ ...pod, status: { phase: 'Running', podIP: '10.3.0.1' } }],
        }),
      );
    },
  ],
];

for (const [where, echo] of ECHOES) {
  test(
    `hostile API server: the token is in no message, cause, event or inspect(), sent back in ${where}`,
    { timeout: 240_000 },
    async t => {
      let seen = 0;
      for (const [how, form] of FORMS) {
        await scene(async ({ server, source, told }) => {
          server.otherwise = echo(form(TOKEN));
          source.start();
          await until(`told: ${how}`, () => told.length > 0);
          const [text] = [[...told.map(visible), inspect([...source.pods], { depth: 10 })].join('\n')];
          for (const [name, other] of FORMS.slice(0, 8))
            assert.ok(!text.includes(other(TOKEN)), `${how}: the token ${name} is in\n${text}`);
          // Nor without what hides it from a search.
          // eslint-disable-next-line no-control-regex -- these are what is meant
          assert.ok(!text.replace(/\\u0000|[\u0000-\u001f]/g, '').includes(TOKEN), `${how}: the token is in\n${text}`);
          assert.ok(
            !text.includes(Buffer.from(TOKEN).toString('hex').match(/../g)!.join(' ').slice(0, 90)),
            `${how}: its bytes are in\n${text}`,
          );
          assert.ok(!text.includes(TOKEN.slice(0, 16)), `${how}: a part of the token is in\n${text}`);
          seen += told.length;
        });
      }
      t.diagnostic(`${FORMS.length} forms, ${seen} errors and reasons looked through`);
    },
  );
}

test(
  'hostile API server: the token before the one of now, that of a kubeconfig, and a password are redacted, too',
  { timeout: 120_000 },
  async () => {
    const server = await RawServer.start();
    const told: string[] = [];
    let requests = 0;
    const secrets = ['first-opaque-token', 'second-opaque-token', 'user:correct horse'];
    server.otherwise = (socket, head) =>
      body(
        JSON.stringify({
          message: `${secrets.join(' ')} correct horse ${Buffer.from('user:correct horse').toString('base64')}`,
        }),
        '400 Bad',
      )(socket, head);
    const source = new KubernetesPods({
      nodeName: 'worker',
      retry,
      kubeConfig: {
        getCurrentCluster: () => ({ server: server.url }),
        applyToHTTPSOptions: options => {
          Object.assign(options, { ca: server.ca });
          switch (requests++) {
            case 0:
              options.headers = { Authorization: `Bearer ${secrets[0]}` };
              break;
            case 1:
              options.headers = { 'X-Auth-Token': secrets[1]! };
              break;
            case 2:
              options.auth = secrets[2]!;
              break;
            default:
              throw new Error(`helper failed; it had printed ${secrets[0]}`);
          }
          return Promise.resolve();
        },
      },
    });
    source.on('error', error => told.push(visible(error))).on('disconnected', reason => told.push(visible(reason)));
    try {
      source.start();
      await until('four failures', () => told.length >= 8);
      // What was sent so far is known so far.
      for (const text of told.slice(4))
        assert.doesNotMatch(text, /first-opaque|second-opaque|correct horse|dXNlcjpjb3JyZWN0IGhvcnNl/);
      assert.match(told.at(-1)!, /helper failed; it had printed \[redacted\]/);
    } finally {
      await source.close();
      await server.close();
    }
  },
);

test(
  'hostile API server: control characters and long texts come escaped and cut, wherever they are',
  { timeout: 240_000 },
  async () => {
    const text = `\u001b]0;owned\u0007\r\n\u0085\u009b31m\u202e\u2028${'long '.repeat(100_000)}`;
    for (const [where, echo] of ECHOES.filter(([name]) => name !== 'no HTTP')) {
      await scene(async ({ server, source, told }) => {
        server.otherwise = echo(text);
        source.start();
        await until(`told: ${where}`, () => told.length > 0);
        for (const error of told) {
          for (const line of [error.message, error.stack!.replaceAll('\n    at ', ''), String(error.cause)]) {
            // eslint-disable-next-line no-control-regex -- these are what is meant
            assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/, where);
            assert.ok(line.length < 8000, `${where}: ${line.length} characters`);
          }
        }
      });
    }
  },
);
