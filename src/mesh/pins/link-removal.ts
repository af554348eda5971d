import { Datapath, detach, type Detacher } from '../datapath/datapath';
import { programsOf, stageOfUnknown, type Stage } from '../datapath/hooks';
import { Resources } from '../resources';
import type { Pin, PinTree } from './pin-tree';
import { OpenPinSet } from './pinned-set';
import { detachLink } from './remove-pins';
import { WriterLock } from './writer-lock';

/**
 * Detaches all pinned links, in the order that loses no data and no connection, and removes their pins.
 *
 * @internal
 * @param directory - the pin directory
 * @param tree - its contents
 * @returns the removed links
 */
export async function detachLinks(directory: string, tree: PinTree): Promise<Pin[]> {
  const links = new PinnedLinks(tree);
  if (tree.links.size + tree.unknownLinks.length === 0) return links.removed;
  using resources = new Resources();
  const writers = resources.use(WriterLock.open(directory));
  // A start that was killed may leave a second set, which may be incomplete.
  const datapaths = tree.sets
    .filter(({ maps }) => ['mesh_settings', 'mesh_counters', 'last_held'].every(name => maps.has(name)))
    .map(set => new Datapath(resources.use(new OpenPinSet(set)), writers));
  await detach(links, datapaths);
  return links.removed;
}

/** Detaches pinned links, including those of later versions. */
class PinnedLinks implements Detacher {
  /** Links that were detached so far. */
  readonly removed: Pin[] = [];

  /** @param tree - contents of the pin directory */
  constructor(private readonly tree: PinTree) {}

  switchOff({ settings }: Datapath): void {
    settings.retire();
  }

  detach(stage: Stage): boolean {
    const { links, unknownLinks } = this.tree;
    const unknown = unknownLinks.filter(({ attachType }) => stageOfUnknown(attachType) === stage);
    // The mark comes last: until then others see that a mesh is attached.
    const known = programsOf(stage).flatMap(name => links.get(name) ?? []);
    for (const pin of [...unknown, ...known]) {
      detachLink(pin);
      this.removed.push(pin);
    }
    return unknown.length > 0;
  }
}
