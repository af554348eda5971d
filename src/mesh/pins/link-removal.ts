import { Datapath, detach, type Detacher } from '../datapath/datapath';
import { programsOf, stageOfUnknown, type Stage } from '../datapath/hooks';
import { Resources } from '../resources';
import type { Pin, PinTree } from './pin-tree';
import { OpenPinSet } from './pinned-set';
import { detachLink } from './remove-pins';
import { WriterLock } from './writer-lock';

/**
 * Ends all pinned attachments, in the order that loses nothing, and removes their pins.
 *
 * @internal
 * @param directory - the pin directory
 * @param tree - what is pinned there
 * @returns what was removed
 */
export async function detachLinks(directory: string, tree: PinTree): Promise<Pin[]> {
  const links = new PinnedLinks(tree);
  if (tree.links.size + tree.unknownLinks.length === 0) return links.removed;
  using resources = new Resources();
  const writers = resources.use(WriterLock.open(directory));
  // A start that was killed leaves a second set, maybe a part of one.
  const datapaths = tree.sets
    .filter(({ maps }) => ['mesh_settings', 'mesh_counters', 'last_held'].every(name => maps.has(name)))
    .map(set => new Datapath(resources.use(new OpenPinSet(set)), writers));
  await detach(links, datapaths);
  return links.removed;
}

/** Pinned attachments, those of later versions as well. */
class PinnedLinks implements Detacher {
  /** What was ended so far. */
  readonly removed: Pin[] = [];

  /** @param tree - what is pinned */
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
