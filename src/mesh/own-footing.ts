import { setTimeout } from 'node:timers/promises';
import { BpfSockHashMap, Cgroup, type BpfLink, type BpfObject } from '../bpf';
import { DEFAULT_ACCELERATION } from '../policy';
import { refuseSecond } from './accelerators/refuse-second';
import type { FionreadCounts } from './datapath/fionread';
import type { Footing, MeshHandles } from './footing';
import { ENTRANCES, GATE, messageProgram, SERVICES } from './datapath/hooks';
import { load } from './datapath/load';
import type { BacklogAccount, ResolvedOptions } from './mesh-options';
import { MeshSettings } from './maps/mesh-settings';
import { quadrupleCodec } from './maps/quadruple';
import { Resources } from './resources';
import { witness, type Witness } from './datapath/witness';

/** So long after it was dialled, a sidecar has accepted a connection and has asked where it wanted to go. */
export const SETTLED_MS = 500;

/** Held by this process: everything ends with it. */
export class OwnFooting implements Footing {
  readonly adoption = undefined;
  readonly object: BpfObject;
  readonly account: BacklogAccount;
  readonly fionreadCounts: FionreadCounts;
  readonly #options: ResolvedOptions;
  readonly #witness: Witness;
  readonly #cgroup: Cgroup;
  /**
   * What must stay until accelerated sockets are drained and sidecars have asked, and what sends connections their way.
   */
  readonly #foundation: Resources;
  readonly #entrances = new Resources();
  readonly #links = new Map<string, BpfLink>();

  static open(options: ResolvedOptions): OwnFooting {
    const resources = new Resources();
    try {
      return new OwnFooting(options, resources);
    } catch (error) {
      resources[Symbol.dispose]();
      throw error;
    }
  }

  private constructor(options: ResolvedOptions, resources: Resources) {
    this.#options = options;
    this.#foundation = resources;
    this.#cgroup = resources.use(Cgroup.open(options.cgroup));
    refuseSecond(this.#cgroup);
    this.#witness = witness();
    resources.use(this.#witness.pair);
    this.fionreadCounts = this.#witness.fionreadCounts;
    this.account = this.#witness.chargesReceiver && options.backlogAccount === 'auto' ? 'kernel' : 'programs';
    this.object = resources.use(load(options, this.account).object);
  }

  settings(): MeshSettings {
    return new MeshSettings(this.object);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- pins have to wait here
  async attach({ settings }: MeshHandles): Promise<void> {
    const { owner, ownerCookie } = this.#witness;
    settings.change({ acceleration: this.#options.acceleration ?? DEFAULT_ACCELERATION, owner, ownerCookie });
    const sockets = BpfSockHashMap.from(this.object.map('sock_pair_map'), { key: quadrupleCodec });
    this.#attach(GATE, this.#foundation);
    this.#foundation.use(sockets.attachVerdict(this.object.program(messageProgram())));
    for (const name of SERVICES) this.#attach(name, this.#foundation);
    for (const name of ENTRANCES) this.#attach(name, this.#entrances);
    // Another process may have started at the same time, and found nobody either.
    const { id, tag } = this.object.program('mb_connect4');
    refuseSecond(this.#cgroup, { ids: new Set([id]), tags: new Set([tag]) });
  }

  link(program: string): { isAttached: () => boolean; cgroupId: bigint | undefined; close: () => void } | undefined {
    const link = this.#links.get(program);
    return link && { isAttached: () => link.isAttached(), cgroupId: link.cgroupId, close: () => undefined };
  }

  async close({ settings, drain, counters }: MeshHandles): Promise<void> {
    try {
      // Sockets keep their sk_msg program until they are closed, whatever is detached: only the switch reaches them.
      settings.acceleration = 'off';
      this.#entrances[Symbol.dispose]();
      const { outbound, inbound, sockets } = counters();
      await Promise.all([outbound + inbound > 0n && setTimeout(SETTLED_MS), sockets > 0n && drain.finished()]);
    } finally {
      this.abandon();
    }
  }

  abandon(): void {
    try {
      this.#entrances[Symbol.dispose]();
    } finally {
      this.#foundation[Symbol.dispose]();
    }
  }

  #attach(name: string, into: Resources): void {
    this.#links.set(name, into.use(this.#cgroup.attach(this.object.program(name))));
  }
}
