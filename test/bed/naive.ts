import type { BpfSockHashMap, MeshAccelerator, Quadruple } from 'merbridge';
import { compile } from '../fixtures/compile';
import type { Bed } from './bed';
import { enterMesh } from './modes';

/**
 * Enters all pods that the bed has, in scope `full`, with `test/fixtures/naive.bpf.c` in the place of the library's program for messages:
 * no order, no bound. What the library is compared with, in damage and in speed. Nothing else differs; closing the accelerator ends both.
 */
export async function enterNaiveMesh(bed: Bed): Promise<MeshAccelerator> {
  const mesh = await enterMesh(bed, 'full');
  try {
    const { OpenBpfObject } = await import('merbridge');
    const { map } = mesh.sockPairMap as unknown as { readonly map: BpfSockHashMap<Quadruple> };
    using open = OpenBpfObject.openFile(compile('naive'));
    open.map('sock_pair_map').maxEntries = map.maxEntries;
    open.map('sock_pair_map').reuse(map);
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
