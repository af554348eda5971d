import { unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { BpfLink, type BpfProgram, type Cgroup } from '../../bpf';
import type { Attacher, Sockets } from '../datapath/datapath';
import { MESSAGE_PROGRAMS } from '../datapath/hooks';
import { pinPaths, type PinTree } from './pin-tree';
import type { Undo } from './undo';

/** Options of a {@link LinkSwitch}. */
export interface LinkSwitchOptions {
  /** Path of the pin directory. */
  readonly directory: string;
  /** Contents of the pin directory. */
  readonly tree: PinTree;
  /** The cgroup to attach to. */
  readonly cgroup: Cgroup;
  /** The programs that run now, for undoing a failed switch. `undefined` if none run. */
  readonly before: { program(name: string): BpfProgram | undefined } | undefined;
  /** Whether the `sock_pair_map` that is in use now is kept. */
  readonly keepsSockets: boolean;
  /** Receives the steps that undo the switch. */
  readonly undo: Undo;
}

/**
 * Makes each hook run another program. An existing link is updated atomically. If there is none, or its cgroup was
 * removed, a new link is created and pinned.
 *
 * @internal
 */
export class LinkSwitch implements Attacher {
  readonly cgroup: Cgroup;
  /**
   * False if a mesh is running already: no other accelerator could start below it. Skipping this search keeps the time
   * for which writers wait in the range of microseconds.
   */
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
    // The link was detached, or its cgroup was removed (sockets may outlive it). Removing its pin loses nothing.
    if (pin !== undefined) unlinkSync(path);
    using link = this.cgroup.attach(program);
    link.pin(path);
    undo.add(() => unlinkSync(path));
  }

  attachVerdict(sockets: Sockets, program: BpfProgram): void {
    const { before, keepsSockets, undo } = this.#options;
    sockets.replaceVerdict(program);
    undo.add(() => {
      // The set before may have the other variant: the kernel may have refused one of them to this version.
      const variants = MESSAGE_PROGRAMS.map(name => before?.program(name));
      const old = keepsSockets ? variants.find(variant => variant !== undefined) : undefined;
      if (old !== undefined) sockets.replaceVerdict(old);
    });
  }
}
