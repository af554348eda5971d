/**
 * `npm run bench`, `npm run bench -- NAME`: the measurements behind the figures of docs/figures.md and of
 * docs/performance.md.
 */
import { bulk } from './bulk';
import { compareAll } from './compare';
import { connections } from './connections';
import { costs } from './costs';
import { hops } from './hops';
import { library } from './library';
import { pooled } from './pooled';

type Bench = (args: readonly string[]) => void | Promise<void>;

const benches: Readonly<Record<string, readonly [string, Bench]>> = {
  costs: ['what the library costs its process', () => costs()],
  library: [
    'map operations, adoption, load, attach and memory, beside C and beside the npm package bpf; require and start',
    () => library(),
  ],
  hops: ['requests/s and the run time of each program, beside iptables and beside a naive program for messages', hops],
  bulk: ['one and eight bulk streams', bulk],
  pooled: ['requests/s before and after the connections between sidecars carried large bodies', pooled],
  connections: ['new connections/s through both sidecars, and the run time of each program', connections],
};

async function main(): Promise<void> {
  const [name = '', ...args] = process.argv.slice(2);
  if (name === '' || name.startsWith('--')) return compareAll(process.argv.slice(2));
  const bench = benches[name]?.[1];
  if (bench) return bench(args);
  console.error('npm run bench compares all modes; npm run bench -- NAME measures one thing. --help lists the options');
  for (const [each, [meaning]] of Object.entries(benches)) console.error(`  ${each.padEnd(11)}  ${meaning}`);
  process.exitCode = 1;
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
