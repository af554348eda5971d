/** Whether the kernel still has what the removal said it removed. */
import { readdirSync } from 'node:fs';
import { spawnSync } from '../bed/children';
import { cgroup2Mount } from '../bed/cgroup';
import { until } from '../kube/until';

const KINDS: Readonly<Record<string, string>> = { link: 'link', program: 'prog', map: 'map' };

/** Counts what was removed, and waits until the kernel has none of it, nothing is attached and nothing pinned. */
export async function untilGone(printed: string): Promise<number> {
  const removed = [...printed.matchAll(/removed (link|program|map) .* \(id (\d+)\)/g)];
  if (removed.length === 0) throw new Error(`the removal named nothing:\n${printed}`);
  const bpftool = (...args: string[]): { status: number | null; stdout: string } =>
    spawnSync('bpftool', args, { encoding: 'utf8' });
  let left: string[] = [];
  await until('a kernel without what was removed', () => {
    left = removed
      .filter(([, kind = '', id = '']) => bpftool(KINDS[kind]!, 'show', 'id', id).status === 0)
      .map(([line]) => line);
    const attached = bpftool('cgroup', 'tree', `${cgroup2Mount()}/kubepods`);
    if (attached.status !== 0) throw new Error('bpftool cgroup tree failed');
    if (/cgroup_|sock_ops/.test(attached.stdout)) left.push(attached.stdout);
    return left.length === 0;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${left.join('\n')}`, { cause: error });
  });
  // The file system is the node's own, so nobody else pins there; but some kernels put two iterators into each.
  const pins = readdirSync('/sys/fs/bpf').filter(name => !['maps.debug', 'progs.debug'].includes(name));
  if (pins.length > 0) throw new Error(`pins are left: ${pins.join(', ')}`);
  return removed.length;
}
