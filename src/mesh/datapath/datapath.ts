import { setTimeout } from 'node:timers/promises';
import { BpfSockHashMap, type BpfMap, type BpfProgram, type Cgroup } from '../../bpf';
import { refuseSecond } from '../accelerators/refuse-second';
import { CounterReader } from '../maps/counters';
import type { MapsByName } from '../maps/maps-by-name';
import { MeshSettings, OWNED_BY_NOBODY, type Writers } from '../maps/mesh-settings';
import { quadrupleCodec, type Quadruple } from '../maps/quadruple';
import { Drain } from './drain';
import { MARK, MESSAGE_PROGRAMS, programsOf, STAGES, type Stage } from './hooks';

/** Within this time a sidecar has accepted a redirected connection and read its original destination. */
export const SETTLED_MS = 500;

/** The maps and programs of a datapath: those of a loaded object, or of a pinned set. */
export interface Parts extends MapsByName {
  program(name: string): BpfProgram | undefined;
  /**
   * All programs. Absent of a pinned set, which is not attached again.
   *
   * @returns the programs of a loaded object
   */
  programs?(): readonly BpfProgram[];
}

/** `sock_pair_map`. */
export type Sockets = BpfSockHashMap<Quadruple>;

/** Attaches programs for a holder. */
export interface Attacher {
  readonly cgroup: Cgroup;
  /** Whether another accelerator may be attached to a descendant of the cgroup. */
  readonly mayHaveOthersBelow: boolean;
  /**
   * Attaches a program to its hook of the cgroup, or replaces the program that is attached there.
   *
   * @param name - name of the program
   * @param program - the program, which remains the caller's
   */
  attach(name: string, program: BpfProgram): void;
  /**
   * Attaches the sk_msg program to `sock_pair_map`, or replaces the program that is attached there.
   *
   * @param sockets - `sock_pair_map`
   * @param program - the program, which remains the caller's
   */
  attachVerdict(sockets: Sockets, program: BpfProgram): void;
}

/** Detaches the programs of a holder. */
export interface Detacher {
  /**
   * Switches acceleration off permanently.
   *
   * @param datapath - the datapath whose settings to change
   */
  switchOff(datapath: Datapath): void;
  /**
   * Detaches all programs of a stage.
   *
   * @param stage - the stage
   * @returns whether one of them belonged to a later version. No datapath has counted its connections
   */
  detach(stage: Stage): boolean;
}

/**
 * The programs and maps of one mesh, held by this process or by pins.
 *
 * {@link Datapath.attach} alone defines the order of attachment, and {@link detach} alone that of detachment. Handles
 * that a datapath opens are closed together with its parts.
 *
 * @internal
 */
export class Datapath implements MapsByName {
  readonly #parts: Parts;
  readonly #writers: Writers | undefined;
  #settings: MeshSettings | undefined;
  #counters: CounterReader | undefined;

  /**
   * @param parts - programs and maps, which remain the caller's. A pinned set may lack some
   * @param writers - lock for writers of the settings, if other processes may write them. It remains the caller's
   */
  constructor(parts: Parts, writers?: Writers) {
    this.#parts = parts;
    this.#writers = writers;
  }

  /**
   * Returns a map.
   *
   * @param name - its name
   * @returns the map, which remains the datapath's
   * @throws RangeError if there is no map of that name
   */
  map(name: string): BpfMap {
    return this.#parts.map(name);
  }

  /**
   * Returns a program.
   *
   * @param name - its name
   * @returns the program, which remains the datapath's
   * @throws RangeError if there is no program of that name
   */
  program(name: string): BpfProgram {
    const program = this.#parts.program(name);
    if (program === undefined) throw new RangeError(`there is no program "${name}"`);
    return program;
  }

  /** The variant of the sk_msg program that this kernel accepted. */
  #messageProgram(): BpfProgram {
    const loaded = this.#parts.programs?.().find(({ name }) => MESSAGE_PROGRAMS.some(each => each === name));
    if (loaded === undefined) throw new RangeError('there is no program for sk_msg');
    return loaded;
  }

  /** The settings that every program reads, such as the scope of acceleration. */
  get settings(): MeshSettings {
    return (this.#settings ??= new MeshSettings(this, this.#writers));
  }

  /** Reads the counters of the programs. */
  get counters(): CounterReader {
    return (this.#counters ??= new CounterReader(this));
  }

  /**
   * Attaches all programs in this order: gate, sk_msg program, services, entrances. So no connection is redirected
   * before the services can answer for it, and no socket is accelerated before the gate protects it.
   *
   * @param to - makes the attachments
   * @throws AlreadyAttachedError (`ERR_BPF_ALREADY_ATTACHED`) if another accelerator was attached meanwhile; the caller
   * then detaches the programs that this call attached
   */
  attach(to: Attacher): void {
    for (const stage of STAGES) {
      for (const name of programsOf(stage)) to.attach(name, this.program(name));
      if (stage !== 'gate') continue;
      const sockets = BpfSockHashMap.from(this.map('sock_pair_map'), { key: quadrupleCodec });
      to.attachVerdict(sockets, this.#messageProgram());
    }
    // Another process may have started at the same time. Neither of the two could then find the other before.
    const { id, tag } = this.program(MARK);
    refuseSecond(to.cgroup, { ids: new Set([id]), tags: new Set([tag]) }, to.mayHaveOthersBelow);
  }

  /**
   * Sends every accelerated socket back to the TCP stack as soon as its psock queue is empty, and waits until all of
   * them are. Used before another datapath with other maps takes over.
   */
  async withdraw(): Promise<void> {
    this.settings.change(OWNED_BY_NOBODY);
    await new Drain(this).finished();
  }

  /**
   * Waits until redirected connections have reached their sidecars, and readers have read the data that was redirected
   * to them. Acceleration must be off and the entrances detached.
   */
  async settled(): Promise<void> {
    const { outbound, inbound, sockets } = this.counters.read();
    await Promise.all([outbound + inbound > 0n && setTimeout(SETTLED_MS), sockets > 0n && new Drain(this).finished()]);
  }
}

/**
 * Detaches all programs in the order that loses no data and no connection: the reverse of {@link Datapath.attach}, with
 * a wait after the entrances.
 *
 * @internal
 * @param attached - detaches the programs
 * @param datapaths - the datapaths that the programs belong to. More than one if a start was killed
 */
export async function detach(attached: Detacher, datapaths: readonly Datapath[]): Promise<void> {
  // Sockets keep their sk_msg program until they are closed, even if it is detached. Only the settings reach them.
  for (const datapath of datapaths) attached.switchOff(datapath);
  for (const stage of [...STAGES].reverse()) {
    const isUncounted = attached.detach(stage);
    if (stage !== 'entrances') continue;
    await Promise.all([isUncounted && setTimeout(SETTLED_MS), ...datapaths.map(datapath => datapath.settled())]);
  }
}
