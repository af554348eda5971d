/** `npm run bench -- NAME`: the measurements behind the figures of the README and of docs/performance.md. */
import { connections } from './connections';
import { figures } from './figures';
import { hops } from './hops';

type Bench = (args: readonly string[]) => void | Promise<void>;

const benches: Readonly<Record<string, readonly [string, Bench]>> = {
  figures: ['what the library costs its process', () => figures()],
  hops: ['requests/s and the run time of each program, beside iptables and beside a naive program for messages', hops],
  connections: ['new connections/s through both sidecars, and the run time of each program', connections],
};

async function main(): Promise<void> {
  const [name = '', ...args] = process.argv.slice(2);
  const bench = benches[name]?.[1];
  if (bench) return bench(args);
  console.error('npm run bench -- NAME, where NAME is one of these; --help behind it lists its options');
  for (const [each, [meaning]] of Object.entries(benches)) console.error(`  ${each.padEnd(11)}  ${meaning}`);
  process.exitCode = 1;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
