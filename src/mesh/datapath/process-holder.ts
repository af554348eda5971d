import { Cgroup } from '../../bpf';
import { DEFAULT_ACCELERATION } from '../../policy';
import { refuseSecond } from '../accelerators/refuse-second';
import type { ResolvedOptions } from '../mesh-options';
import { Resources } from '../resources';
import { Datapath, detach } from './datapath';
import type { HeldLink, Holder } from './holder';
import { load } from './load';
import { ProcessAttachments } from './process-attachments';
import { findingsOf, witness, type KernelFindings, type Witness } from './witness';

/**
 * Holds a datapath in this process. The kernel detaches the programs and frees the maps when the process ends.
 *
 * @internal
 */
export class ProcessHolder implements Holder {
  readonly adoption = undefined;
  readonly datapath: Datapath;
  readonly kernel: KernelFindings;
  readonly #options: ResolvedOptions;
  readonly #witness: Witness;
  readonly #resources: Resources;
  readonly #attachments: ProcessAttachments;

  /**
   * Loads the programs and attaches nothing. If that fails, everything is closed again.
   *
   * @param options - the cgroup, the mesh, the sizes
   * @returns the holder. The caller closes it
   * @throws Error (as MeshAccelerator.start) if the programs cannot be loaded
   */
  static open(options: ResolvedOptions): ProcessHolder {
    const resources = new Resources();
    try {
      return new ProcessHolder(options, resources);
    } catch (error) {
      resources[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(options: ResolvedOptions, resources: Resources) {
    this.#options = options;
    this.#resources = resources;
    const cgroup = resources.use(Cgroup.open(options.cgroup));
    refuseSecond(cgroup);
    this.#witness = witness();
    resources.use(this.#witness.pair);
    this.kernel = findingsOf(this.#witness, options.backlogAccount);
    this.datapath = new Datapath(resources.use(load(options, this.kernel.account).object));
    // Added last, so that it is disposed of first.
    this.#attachments = resources.use(new ProcessAttachments(cgroup));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous: pins have to wait
  async attach(): Promise<void> {
    const { owner, ownerCookie } = this.#witness;
    const acceleration = this.#options.acceleration ?? DEFAULT_ACCELERATION;
    this.datapath.settings.change({ acceleration, owner, ownerCookie });
    this.datapath.attach(this.#attachments);
  }

  link(program: string): HeldLink | undefined {
    const link = this.#attachments.link(program);
    return link && { isAttached: () => link.isAttached(), cgroupId: link.cgroupId, close: () => undefined };
  }

  async close(): Promise<void> {
    try {
      await detach(this.#attachments, [this.datapath]);
    } finally {
      this.abandon();
    }
  }

  abandon(): void {
    this.#resources[Symbol.dispose]();
  }
}
