// The examples of the README, run as they stand.
//
// README.md marks each with a line `<!-- example: NAME -->`, followed by a fenced block ```ts. It is an ECMAScript
// module, valid as JavaScript too, that imports 'merbridge' by name. Every quoted path below /sys/fs/cgroup in it is
// replaced by a cgroup that is made for the run. It prints a line when it works; then, unless it ends by itself, it
// gets SIGTERM and has to end.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { asRoot, run } from './consumer.mjs';
import { root } from './paths.mjs';

const blocks = /(?:<!-- example: (\w+) -->\s*)?```ts\n([\s\S]*?)```/g;
const cgroupPath = /(['"`])\/sys\/fs\/cgroup[^'"`]*\1/g;

/** The sources of the examples by name. Throws where one has none: it would not be run. */
export function readExamples() {
  const found = [...readFileSync(join(root, 'README.md'), 'utf8').matchAll(blocks)].map(([, name, source]) => [
    name,
    source,
  ]);
  if (found.length === 0 || found.some(([name]) => name === undefined))
    throw new Error('README.md has an example without a line <!-- example: NAME -->, or none');
  return new Map(found);
}

export async function runExample(consumer, source) {
  if (source.search(cgroupPath) < 0)
    throw new Error('the example names no path below /sys/fs/cgroup, so it cannot be run safely');
  const cgroup = await throwAwayCgroup(consumer);
  try {
    writeFileSync(join(consumer.folder, 'example.mjs'), source.replace(cgroupPath, JSON.stringify(cgroup.path)));
    const [command, ...args] = asRoot(consumer, [consumer.node, 'example.mjs']);
    let works = false;
    const result = await run(command, args, consumer, {
      timeout: 20_000,
      onOutput: (child, stdout) => {
        if (works || !stdout.includes('\n')) return;
        works = true;
        setTimeout(() => child.kill('SIGTERM'), 500).unref();
      },
    });
    if (!works) throw new Error(`the example printed nothing in 20 seconds\n${result.output}`);
    if (result.code !== 0 && result.signal !== 'SIGTERM') {
      throw new Error(`the example ended with ${result.code ?? result.signal}\n${result.output}`);
    }
  } finally {
    await cgroup.remove();
  }
}

/** A cgroup of its own below the root of cgroup2, made as root. */
async function throwAwayCgroup(consumer) {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map(line => line.split(' '));
  const mount = mounts.find(([, , type]) => type === 'cgroup2')?.[1];
  if (mount === undefined) throw new Error('no cgroup2 is mounted');
  const path = join(mount, `check-package-${process.pid}`);
  const privileged = async program => {
    const [command, ...args] = asRoot(consumer, [program, path]);
    const { code, output } = await run(command, args, consumer);
    if (code !== 0) throw new Error(output);
  };
  await privileged('/usr/bin/mkdir');
  return { path, remove: () => privileged('/usr/bin/rmdir') };
}
