import type { BpfLink, BpfProgram, Cgroup } from '../../bpf';
import { Resources } from '../resources';
import type { Attacher, Datapath, Detacher, Sockets } from './datapath';
import { HOOKS, STAGES, type Stage } from './hooks';

/**
 * Attaches programs with links that this process holds. The kernel detaches them when the process ends.
 *
 * @internal
 */
export class ProcessAttachments implements Attacher, Detacher, Disposable {
  readonly mayHaveOthersBelow = true;
  readonly #all = new Resources();
  /** Created in the order of attachment, so that they are disposed of in the reverse order. */
  readonly #stages = new Map<Stage, Resources>(STAGES.map(stage => [stage, this.#all.use(new Resources())]));
  readonly #links = new Map<string, BpfLink>();

  /** @param cgroup - where to attach. It remains the caller's */
  constructor(readonly cgroup: Cgroup) {}

  attach(name: string, program: BpfProgram): void {
    const stage = HOOKS.get(name)!.stage;
    this.#links.set(name, this.#stages.get(stage)!.use(this.cgroup.attach(program)));
  }

  attachVerdict(sockets: Sockets, program: BpfProgram): void {
    this.#stages.get('gate')!.use(sockets.attachVerdict(program));
  }

  switchOff({ settings }: Datapath): void {
    settings.acceleration = 'off';
  }

  detach(stage: Stage): boolean {
    this.#stages.get(stage)![Symbol.dispose]();
    return false;
  }

  /**
   * Returns the link of a program.
   *
   * @param program - its name
   * @returns the link, which remains this object's. `undefined` if there is none
   */
  link(program: string): BpfLink | undefined {
    return this.#links.get(program);
  }

  /** Detaches the programs that are still attached, without waiting for anything. */
  [Symbol.dispose](): void {
    this.#all[Symbol.dispose]();
  }
}
