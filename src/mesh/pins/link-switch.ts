import { unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { BpfLink, type BpfProgram, type Cgroup } from '../../bpf';
import type { Attacher, Sockets } from '../datapath/datapath';
import { pinPaths, type PinTree } from './pin-tree';
import type { Undo } from './undo';

/** What a {@link LinkSwitch} works on. */
export interface LinkSwitchOptions {
  readonly directory: string;
  readonly tree: PinTree;
  readonly cgroup: Cgroup;
  /** The programs that run now, to go back to; `undefined` if none do. */
  readonly before: { program(name: string): BpfProgram | undefined } | undefined;
  /** Whether `sock_pair_map` is the one that is in use now. */
  readonly keepsSockets: boolean;
  /** Gets the steps back. */
  readonly undo: Undo;
}

/**
 * Makes each hook run another program: an attachment that is there is changed in place, without a moment between; one
 * that is not there, or whose cgroup is gone, is made and pinned.
 *
 * @internal
 */
export class LinkSwitch implements Attacher {
  readonly cgroup: Cgroup;
  /** Nobody started below a mesh that was there, and writers wait only for microseconds if that is not looked for. */
  readonly mayHaveOthersBelow: boolean;
  readonly #options: LinkSwitchOptions;

  constructor(options: LinkSwitchOptions) {
    this.#options = options;
    this.cgroup = options.cgroup;
    this.mayHaveOthersBelow = options.before === undefined;
  }

  attach(name: string, program: BpfProgram): void {
    const { directory, tree, before, undo } = this.#options;
    const pin = tree.links.get(name);
    const path = join(pinPaths(directory).links, name);
    if (pin !== undefined && pin.cgroupId === this.cgroup.id) {
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
    using link = this.cgroup.attach(program);
    link.pin(path);
    undo.add(() => unlinkSync(path));
  }

  attachVerdict(sockets: Sockets, program: BpfProgram): void {
    const { before, keepsSockets, undo } = this.#options;
    sockets.replaceVerdict(program);
    undo.add(() => {
      const old = keepsSockets ? before?.program(program.name) : undefined;
      if (old !== undefined) sockets.replaceVerdict(old);
    });
  }
}
