import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { machineMemory, sample, socketMemory, tcpMemory } from './memory';
import type { Pod } from './pod';
import { startService } from './service';
import { APPLICATION_UID } from './web-server';

const app = resolve(__dirname, 'apps', 'stall.py');

/** Options of {@link startStall}. */
export interface StallOptions {
  /** What is sent on each connection. */
  readonly bytes: number;
  /** How long the reader reads nothing, in seconds. */
  readonly sleep: number;
  /** How much of each stream it reads before (default 0). By then the buffers on the way have grown. */
  readonly first?: number;
  /** Default 1. */
  readonly connections?: number;
  readonly port?: number;
}

/** How one stream ended, as its sender saw it. */
export type StallEnd =
  /** What the reader got: the number of bytes, and where the first wrong one is (-1: all are right). */
  | { readonly bytes: number; readonly wrongAt: number }
  /** What the sender got instead of an answer: the error's name, or `end of stream`. */
  | { readonly error: string; readonly sent: number };

/** What readers that stall cost the machine, measured from the moment when their connections stood. */
export interface StallCost {
  /** How far the machine's memory rose, in bytes. */
  readonly memory: number;
  /** What all TCP sockets of the machine held at the worst moment, beyond what they held before, in bytes. */
  readonly tcpMemory: number;
  /** The same of the sockets of the two pods: see {@link socketMemory}. */
  readonly socketMemory: number;
}

/** Streams to a reader that stalls, on their way. */
export interface StalledStreams extends AsyncDisposable {
  /** What it cost so far. */
  cost(): StallCost;
  /** Ends the reader by SIGKILL. */
  killReader(): Promise<void>;
  /** Waits until every stream has ended, and returns how. */
  ended(): Promise<StallEnd[]>;
}

/** Sends from one pod, on many connections at once, to a reader in another that stops reading. */
export async function startStall(from: Pod, to: Pod, options: StallOptions): Promise<StalledStreams> {
  const { bytes, sleep, first = 0, connections = 1, port = 9001 } = options;
  const server = await startService(to, {
    name: `stall-${port}`,
    command: 'python3',
    args: [app, 'server', `${port}`, `${first}`, `${sleep}`],
    uid: APPLICATION_UID,
    ports: [port],
  });
  const client = from.spawn('python3', [app, 'client', to.address, `${port}`, `${bytes}`, `${connections}`], {
    uid: APPLICATION_UID,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const clientExit = once(client, 'exit');
  const stop = async (): Promise<void> => {
    client.kill('SIGKILL');
    await Promise.all([clientExit, server.stop()]);
  };
  try {
    const lines = createInterface({ input: client.stdout! })[Symbol.asyncIterator]();
    if ((await lines.next()).value !== 'connected') throw new Error('stall.py did not connect');
    const memory = sample(machineMemory);
    const tcp = sample(tcpMemory);
    // Two processes each time: not so often.
    const ofPods = sample(() => socketMemory([from, to]), 100);
    client.stdin!.end('go\n');
    return {
      cost() {
        const [machine, all, own] = [memory.seen(), tcp.seen(), ofPods.seen()];
        return {
          memory: machine.first - machine.min,
          tcpMemory: all.max - all.first,
          socketMemory: own.max - own.first,
        };
      },
      killReader: () => server.stop('SIGKILL'),
      async ended() {
        const ends: StallEnd[] = [];
        for await (const line of lines) ends.push(JSON.parse(line) as StallEnd);
        return ends;
      },
      async [Symbol.asyncDispose]() {
        memory.stop();
        tcp.stop();
        ofPods.stop();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a reader that stalls for a while did to its stream and to the machine. */
export interface Stall extends StallCost {
  readonly bytes: number;
  readonly wrongAt: number;
  readonly seconds: number;
}

/** Sends `bytes` from one pod to a reader in another that reads nothing for `sleep` seconds. */
export async function stall(from: Pod, to: Pod, bytes: number, sleep: number): Promise<Stall> {
  await using stream = await startStall(from, to, { bytes, sleep });
  const started = process.hrtime.bigint();
  const [end] = await stream.ended();
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  if (end === undefined || 'error' in end)
    throw new Error(`the stream died after ${seconds.toFixed(1)} s: ${end?.error ?? 'no word of it'}`);
  return { ...end, seconds, ...stream.cost() };
}
