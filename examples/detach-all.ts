/**
 * Removes a pinned mesh, whatever its last process left, and says what that was.
 *
 *   detach-all.ts [--force] [PIN_DIRECTORY]
 *
 * --force goes on although a process works with these pins. The exit code is 0 also if nothing was there.
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
