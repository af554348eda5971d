import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { machineMemory, sample, tcpMemory } from './memory';
import type { Pod } from './pod';
import { startService } from './service';
import { APPLICATION_UID } from './web-server';

const app = resolve(__dirname, 'apps', 'stall.py');

/** What a reader that stalls did to its stream and to the machine. */
export interface Stall {
  /** What the reader got in the end: the number of bytes, and where the first wrong one is (-1: all are right). */
  readonly bytes: number;
  readonly wrongAt: number;
  readonly seconds: number;
  /** How far the machine's memory rose above where it was when the connection stood, in bytes. */
  readonly memory: number;
  /** What all TCP sockets of the machine held at the worst moment, beyond what they held before, in bytes. */
  readonly tcpMemory: number;
}

/** Sends `bytes` from one pod to a reader in another that reads nothing for `sleep` seconds. */
export async function stall(from: Pod, to: Pod, bytes: number, sleep: number, port = 9001): Promise<Stall> {
  const server = await startService(to, {
    name: `stall-${port}`, command: 'python3', args: [app, 'server', `${port}`, `${sleep}`], uid: APPLICATION_UID, ports: [port],
  });
  const client = from.spawn('python3', [app, 'client', to.address, `${port}`, `${bytes}`], {
    uid: APPLICATION_UID, stdio: ['pipe', 'pipe', 'inherit'],
  });
  try {
    const lines = createInterface({ input: client.stdout! })[Symbol.asyncIterator]();
    const ended = once(client, 'exit');
    if ((await lines.next()).value !== 'connected') throw new Error('stall.py did not connect');
    const memory = sample(machineMemory);
    const tcp = sample(tcpMemory);
    const started = process.hrtime.bigint();
    client.stdin!.end('go\n');
    const answer = await lines.next();
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    const { first, min } = memory.stop();
    const held = tcp.stop();
    await ended;
    if (answer.done) throw new Error(`the stream died after ${seconds.toFixed(1)} s`);
    const arrived = JSON.parse(answer.value) as { bytes: number; wrongAt: number };
    return { ...arrived, seconds, memory: first - min, tcpMemory: held.max - held.first };
  } finally {
    client.kill('SIGKILL');
    await server.stop();
  }
}
