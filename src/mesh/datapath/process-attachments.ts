import type { BpfLink, BpfProgram, Cgroup } from '../../bpf';
import { Resources } from '../resources';
import type { Attacher, Datapath, Detacher, Sockets } from './datapath';
import { HOOKS, STAGES, type Stage } from './hooks';

/**
 * Attachments that end with this process.
 *
 * @internal
 */
export class ProcessAttachments implements Attacher, Detacher, Disposable {
  readonly mayHaveOthersBelow = true;
  readonly #all = new Resources();
  /** Opened in the order of attachment, so that they are disposed of in the reverse order. */
  readonly #stages = new Map<Stage, Resources>(STAGES.map(stage => [stage, this.#all.use(new Resources())]));
  readonly #links = new Map<string, BpfLink>();

  /** @param cgroup - where to attach; stays the caller's */
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

  /** The link of a program, which stays this object's. */
  link(program: string): BpfLink | undefined {
    return this.#links.get(program);
  }

  /** Detaches what is still attached, without waiting for anything. */
  [Symbol.dispose](): void {
    this.#all[Symbol.dispose]();
  }
}
