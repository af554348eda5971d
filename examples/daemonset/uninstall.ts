/**
 * Removes the mesh of this node, whatever state its last agent left it in, and prints what was removed. Open
 * connections continue.
 *
 * Takes PIN_DIRECTORY from the environment, as the agent does. The exit code is 0 even if nothing was pinned. It fails
 * while an agent still runs.
 */
import { detachAll } from 'merbridge';
import { explain } from './advice';
import { oneLine } from './one-line';

async function main(pinDirectory = '/sys/fs/bpf/merbridge'): Promise<void> {
  const removed = await detachAll({ pinDirectory });
  for (const { kind, name, id } of removed) console.log(`removed ${kind} ${oneLine(name)} (id ${id})`);
  console.log(
    removed.length === 0
      ? `nothing is pinned at ${pinDirectory}`
      : `removed ${removed.length} pins from ${pinDirectory}`,
  );
}

main(process.env.PIN_DIRECTORY?.trim() || undefined).catch((error: unknown) => {
  console.error(explain(error));
  process.exitCode = 1;
});
