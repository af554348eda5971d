import { unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { BpfLink, BpfSockHashMap, type BpfObject, type BpfProgram, type Cgroup } from '../../bpf';
import { ENTRANCES, GATE, messageProgram, SERVICES } from '../datapath/hooks';
import { pinPaths, type PinTree } from './pin-tree';
import { quadrupleCodec } from '../maps/quadruple';

/** What was done so far, to be undone from the last step on if a later one fails. */
export class Undo {
  readonly #steps: (() => void)[] = [];

  add(step: () => void): void {
    this.#steps.push(step);
  }

  /** All steps, whatever fails: an error here would hide the one that led to it. */
  run(): void {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        step();
      } catch {
        // What cannot be undone is what the next start or removal finds.
      }
    }
  }
}

/** What {@link switchLinks} works on. */
export interface LinkSwitch {
  readonly directory: string;
  readonly tree: PinTree;
  readonly cgroup: Cgroup;
  readonly object: BpfObject;
  /** The programs that run now, to go back to. */
  readonly before: { program(name: string): BpfProgram | undefined } | undefined;
  /** Whether `sock_pair_map` is the one that is in use now. */
  readonly keepsSockets: boolean;
}

/**
 * Makes each hook run the program of an object: an attachment that is there is changed in place, without a moment
 * between; one that is not there, or whose cgroup is gone, is made and pinned.
 *
 * @internal
 * @param undo - gets the steps back
 */
export function switchLinks({ directory, tree, cgroup, object, before, keepsSockets }: LinkSwitch, undo: Undo): void {
  const { links } = pinPaths(directory);
  const hook = (name: string): void => {
    const program = object.program(name);
    const pin = tree.links.get(name);
    const path = join(links, name);
    if (pin !== undefined && pin.cgroupId === cgroup.id) {
      using link = BpfLink.openPin(path);
      link.update(program);
      undo.add(() => {
        using again = BpfLink.openPin(path);
        const old = before?.program(name);
        if (old !== undefined) again.update(old);
      });
      return;
    }
    // Detached, or of a cgroup that was removed, which sockets may outlive: the pin holds nothing that could be lost.
    if (pin !== undefined) unlinkSync(path);
    using link = cgroup.attach(program);
    link.pin(path);
    undo.add(() => unlinkSync(path));
  };
  hook(GATE);
  const sockets = BpfSockHashMap.from(object.map('sock_pair_map'), { key: quadrupleCodec });
  sockets.replaceVerdict(object.program(messageProgram()));
  undo.add(() => {
    const old = keepsSockets ? before?.program(messageProgram()) : undefined;
    if (old !== undefined) sockets.replaceVerdict(old);
  });
  for (const name of [...SERVICES, ...ENTRANCES]) hook(name);
}
