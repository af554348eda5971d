// HTTP requests whose answers are pieces of the ramp: many at once on one connection.
import http2 from 'node:http2';
import net from 'node:net';
import { generator } from './plan.mjs';
import { Checker, startOf } from './ramp.mjs';

const LONGEST = 200_000;

/** What to ask for: from where in the ramp, and how much. */
function requests(seed, index, most) {
  const next = generator(seed ^ Math.imul(index + 1, 0x27d4eb2f));
  return Array.from({ length: 1 + (next() % most) }, () => ({
    start: startOf(next()),
    bytes: Math.max(1, Math.floor(Math.exp((next() / 2 ** 32) * Math.log(LONGEST)))),
  }));
}

const path = ({ start, bytes }) => `/${start}/${bytes}`;

/** What went wrong in one of the answers, or nothing. */
class Verdict {
  damage = null;
  error = null;

  judge(checker, whole = true) {
    this.damage ??= checker.verdict(whole);
  }

  fail(damage, error) {
    this.damage ??= damage;
    this.error ??= error;
  }
}

/** HTTP/1.1 pipelining: all requests in one write, the answers one behind the other. */
export function pipeline({ host, port, seed, index, limit }) {
  const asked = requests(seed, index, 12);
  const verdict = new Verdict();
  return new Promise(resolve => {
    const socket = net.connect({ host, port, noDelay: true });
    const answers = asked.map(request => ({ ...request, checker: new Checker(request.start, request.bytes) }));
    let current = 0;
    let head = '';
    const over = () => {
      for (const { checker } of answers) verdict.judge(checker);
      socket.destroy();
      resolve({
        kind: 'pipeline',
        family: 'pipeline',
        role: 'client',
        index,
        damage: verdict.damage,
        error: verdict.error,
      });
    };
    const take = chunk => {
      while (chunk.length > 0) {
        const answer = answers[current];
        if (!answer) return verdict.fail('doubled', 'bytes behind the last answer');
        if (!answer.headed) {
          const [length, known] = [head.length, head + chunk.toString('latin1')];
          const end = known.indexOf('\r\n\r\n');
          if (end < 0) return void (head = known);
          head = '';
          chunk = chunk.subarray(end + 4 - length);
          if (
            !known.startsWith('HTTP/1.1 200') ||
            !known.slice(0, end).toLowerCase().includes(`content-length: ${answer.bytes}`)
          ) {
            verdict.fail('wrong', `answer ${current} begins with ${known.slice(0, 40)}`);
            return over();
          }
          answer.headed = true;
        }
        const part = chunk.subarray(0, answer.bytes - answer.checker.bytes);
        answer.checker.take(part);
        chunk = chunk.subarray(part.length);
        if (answer.checker.bytes === answer.bytes) current++;
      }
      if (current === answers.length) over();
    };
    socket.setTimeout(limit, () => {
      verdict.fail('hung', 'timeout');
      over();
    });
    socket.on('connect', () =>
      socket.write(asked.map(request => `GET ${path(request)} HTTP/1.1\r\nhost: bed\r\n\r\n`).join('')),
    );
    socket.on('data', take);
    socket.on('error', error => {
      verdict.fail('lost', error.code ?? error.message);
      over();
    });
    socket.on('end', over);
  });
}

/** HTTP/2: all requests at once on one connection, the answers interleaved. */
export async function http2Session({ host, port, seed, index, limit }) {
  const verdict = new Verdict();
  const session = http2.connect(`http://${host}:${port}`);
  session.on('error', error => verdict.fail('lost', error.code ?? error.message));
  session.setTimeout(limit, () => {
    verdict.fail('hung', 'timeout');
    session.destroy();
  });
  await Promise.all(
    requests(seed, index, 24).map(
      request =>
        new Promise(resolve => {
          const checker = new Checker(request.start, request.bytes);
          const stream = session.request({ ':path': path(request) });
          stream.on('data', chunk => checker.take(chunk));
          stream.on('error', error => verdict.fail('lost', error.code ?? error.message));
          stream.on('close', () => {
            verdict.judge(checker);
            resolve();
          });
        }),
    ),
  );
  session.close();
  return { kind: 'http2', family: 'http2', role: 'client', index, damage: verdict.damage, error: verdict.error };
}
