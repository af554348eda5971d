import { readFileSync, readdirSync } from 'node:fs';
import type { MeshAccelerator, Quadruple } from 'merbridge';
import type { BpfMapHandle, BpfSockHashMap } from 'merbridge/bpf';
import { compile } from '../fixtures/compile';
import type { Bed } from './bed';
import { enterMesh } from './modes';
import type { Pod } from './pod';

/**
 * Enters all pods that the bed has, in scope `full`, with `test/fixtures/naive.bpf.c` in the place of the library's
 * program for messages: no order, no bound. What the library is compared with, in damage and in speed. Nothing else
 * differs; closing the accelerator ends both.
 */
export async function enterNaiveMesh(bed: Bed): Promise<MeshAccelerator> {
  const mesh = await enterMesh(bed, 'full');
  try {
    const { BpfMapHandle, OpenBpfObject } = await import('merbridge/bpf');
    const { map } = mesh.sockPairMap as unknown as { readonly map: BpfSockHashMap<Quadruple> };
    using open = OpenBpfObject.openFile(compile('naive'));
    open.map('sock_pair_map').maxEntries = map.maxEntries;
    open.map('sock_pair_map').reuse(map);
    using peers = newestMap(BpfMapHandle, 'socket_peer');
    open.map('socket_peer').reuse(peers);
    const object = open.load();
    // The map holds the program from here on, and every socket that enters it does, too.
    const attachment = map.attachVerdict(object.program('naive_msg'), { replace: true });
    mesh.once('close', () => attachment.close());
    object.close();
    return mesh;
  } catch (error) {
    await mesh.close();
    throw error;
  }
}

/**
 * The last map of that name that this process made. The library has no handle for it: nobody but its programs has any
 * use for it.
 */
function newestMap({ fromId }: typeof BpfMapHandle, name: string): BpfMapHandle {
  const ids = readdirSync('/proc/self/fdinfo').flatMap(fd => {
    try {
      return Number(/^map_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? NaN);
    } catch {
      return []; // the descriptor that the directory itself was read through
    }
  });
  for (const id of ids.filter(Number.isInteger).sort((one, other) => other - one)) {
    const map = fromId(id);
    if (map.name === name) return map;
    map.close();
  }
  throw new Error(`this process has no map ${name}`);
}

/** A sockmap without anything of the library: both ends of every connection inside of a pod are in it. */
export interface NaiveSockmap extends Disposable {
  /** How many sockets the kernel did not let in. */
  refused(): bigint;
  /** How many sockets are in it. */
  sockets(): number;
}

/**
 * Attaches `test/fixtures/naive-sockets.bpf.c` to a pod, or a bed: every message moves to the other end, whatever comes
 * of it.
 */
export async function enterNaiveSockmap({ cgroupPath }: Pick<Pod, 'cgroupPath'>): Promise<NaiveSockmap> {
  const { BpfArrayMap, BpfSockHashMap, Cgroup, OpenBpfObject, bytes, u64 } = await import('merbridge/bpf');
  const object = OpenBpfObject.openFile(compile('naive-sockets')).load();
  try {
    const refused = BpfArrayMap.from(object.map('.bss'), { value: u64 });
    const sockets = BpfSockHashMap.from(object.map('sock_pair_map'), { key: bytes(56) });
    const verdict = sockets.attachVerdict(object.program('naive_msg'));
    using cgroup = Cgroup.open(cgroupPath);
    const link = cgroup.attach(object.program('naive_sockets'));
    return {
      refused: () => refused.get(0) ?? 0n,
      sockets: () => sockets.count(),
      [Symbol.dispose]() {
        link.close();
        verdict.close();
        object.close();
      },
    };
  } catch (error) {
    object.close();
    throw error;
  }
}
