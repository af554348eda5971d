import { readFileSync, readdirSync, readlinkSync } from 'node:fs';

const LISTEN = '0A';

/**
 * The TCP ports on which a process itself listens, in either family.
 *
 * Its own sockets only: /proc/<pid>/net shows the whole namespace, where another program may hold the port already.
 */
export function listeningPorts(pid: number): Set<number> {
  const own = socketInodes(pid);
  const ports = new Set<number>();
  for (const table of ['tcp', 'tcp6']) {
    for (const line of readTable(pid, table)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === LISTEN && local && inode && own.has(inode)) {
        ports.add(parseInt(local.slice(local.lastIndexOf(':') + 1), 16));
      }
    }
  }
  return ports;
}

function socketInodes(pid: number): Set<string> {
  const inodes = new Set<string>();
  for (const fd of quietly(() => readdirSync(`/proc/${pid}/fd`)) ?? []) {
    const inode = /^socket:\[(\d+)\]$/.exec(quietly(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? '')?.[1];
    if (inode) inodes.add(inode);
  }
  return inodes;
}

function readTable(pid: number, table: string): string[] {
  return (
    quietly(() => readFileSync(`/proc/${pid}/net/${table}`, 'utf8'))
      ?.split('\n')
      .slice(1) ?? []
  );
}

/** Undefined instead of an error: the process or the descriptor is gone, or the kernel has no IPv6. */
function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
