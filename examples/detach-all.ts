/**
 * Removes a pinned mesh, whatever state its last process left it in, and prints what was removed.
 *
 *   detach-all.ts [--force] [PIN_DIRECTORY]
 *
 * --force continues even if a process uses these pins. The exit code is 0 even if nothing was pinned.
 */
import { parseArgs } from 'node:util';
import { MerbridgeError, detachAll } from 'merbridge';

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { force: { type: 'boolean', default: false } },
  });
  const [pinDirectory = '/sys/fs/bpf/merbridge'] = positionals;
  const removed = await detachAll({ pinDirectory, force: values.force });
  for (const { kind, name, id, path } of removed)
    console.log(`${kind.padEnd(7)} ${name.padEnd(24)} id ${`${id}`.padEnd(6)} ${path}`);
  console.log(
    removed.length === 0 ? `nothing is pinned at ${pinDirectory}` : `removed ${removed.length} pins of ${pinDirectory}`,
  );
}

main().catch((error: unknown) => {
  console.error(error instanceof MerbridgeError ? `${error.code}: ${error.message}` : error);
  process.exitCode = 1;
});
