/**
 * An accelerator for a fixed list of pods. Prints its counters every few seconds.
 *
 *   static-pods.ts --cgroup DIR [--acceleration off|proxies|full] [--seconds N] POD…
 *
 * A POD is an IPv4 address, or a JSON file with a list of addresses and of objects such as
 * { "address": "10.0.0.8", "acceleration": "full" }.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { MeshAccelerator, type Acceleration, type MeshCounters, type PodOptions } from 'merbridge';

type Entry = string | (PodOptions & { readonly address: string });

function readPods(words: readonly string[]): [string, PodOptions][] {
  return words
    .flatMap(word => (word.endsWith('.json') ? (JSON.parse(readFileSync(word, 'utf8')) as Entry[]) : [word]))
    .map((entry): [string, PodOptions] => {
      if (typeof entry === 'string') return [entry, {}];
      const { address, ...options } = entry;
      return [address, options];
    });
}

function report(counters: MeshCounters): string {
  const { outbound, inbound, leftAlone, redirectedMessages, redirectedBytes, hookErrors } = counters;
  return (
    `${outbound} outbound, ${inbound} inbound, ${leftAlone} left alone, ` +
    `${redirectedMessages} messages (${redirectedBytes} bytes) from socket to socket, ${hookErrors} errors`
  );
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      cgroup: { type: 'string', default: '/sys/fs/cgroup/kubepods.slice' },
      acceleration: { type: 'string', default: 'proxies' },
      seconds: { type: 'string', default: '5' },
    },
  });
  const pods = readPods(positionals);
  const mesh = await MeshAccelerator.start({
    cgroup: values.cgroup,
    acceleration: values.acceleration as Acceleration, // `start` checks it
    pods, // in the map before the first program is attached
  });
  mesh.on('warning', warning => console.warn(warning.message));
  const timer = setInterval(() => console.log(report(mesh.counters())), Number(values.seconds) * 1000);
  const stop = async (): Promise<void> => {
    clearInterval(timer);
    const last = report(mesh.counters());
    await mesh.close();
    console.log(`detached; ${last}`);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());

  console.log(`${pods.length} pods below ${mesh.cgroup}, acceleration '${mesh.acceleration}'`);
  console.log(report(mesh.counters()));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
