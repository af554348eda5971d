import { setTimeout } from 'node:timers/promises';
import { BpfSockHashMap, type BpfMap, type BpfProgram, type Cgroup } from '../../bpf';
import { refuseSecond } from '../accelerators/refuse-second';
import { CounterReader } from '../maps/counters';
import type { MapsByName } from '../maps/maps-by-name';
import { MeshSettings, OWNED_BY_NOBODY, type Writers } from '../maps/mesh-settings';
import { quadrupleCodec, type Quadruple } from '../maps/quadruple';
import { Drain } from './drain';
import { MARK, messageProgram, programsOf, STAGES, type Stage } from './hooks';

/** After this time a sidecar has accepted a connection that was dialled, and has asked where it wanted to go. */
export const SETTLED_MS = 500;

/** What a datapath consists of: an object that is loaded, or a pinned set. */
export interface Parts extends MapsByName {
  program(name: string): BpfProgram | undefined;
}

/** `sock_pair_map`. */
export type Sockets = BpfSockHashMap<Quadruple>;

/** Makes attachments for a holder. */
export interface Attacher {
  readonly cgroup: Cgroup;
  /** Whether an accelerator may be attached below the cgroup. */
  readonly mayHaveOthersBelow: boolean;
  /** Attaches a program to its hook of the cgroup, or puts it in the place of the one that is attached there. */
  attach(name: string, program: BpfProgram): void;
  /** Likewise the program that decides about messages. */
  attachVerdict(sockets: Sockets, program: BpfProgram): void;
}

/** Ends the attachments of a holder. */
export interface Detacher {
  /** Switches acceleration off for good. */
  switchOff(datapath: Datapath): void;
  /**
   * Ends all attachments of a stage.
   *
   * @returns whether there was one of a later version, whose connections no datapath has counted
   */
  detach(stage: Stage): boolean;
}

/**
 * The programs and maps of one mesh, whoever holds them: this process, or pins.
 *
 * The order of attachment is in {@link Datapath.attach}, that of detachment in {@link detach}, and nowhere else. What a
 * datapath opens is closed with its parts.
 *
 * @internal
 */
export class Datapath implements MapsByName {
  readonly #parts: Parts;
  readonly #writers: Writers | undefined;
  #settings: MeshSettings | undefined;
  #counters: CounterReader | undefined;

  /**
   * @param parts - programs and maps, which stay the caller's; a pinned set may lack some
   * @param writers - what writers of the settings hold, if there may be others; stays the caller's
   */
  constructor(parts: Parts, writers?: Writers) {
    this.#parts = parts;
    this.#writers = writers;
  }

  /** A map. @throws RangeError if there is none of that name */
  map(name: string): BpfMap {
    return this.#parts.map(name);
  }

  /** A program. @throws RangeError if there is none of that name */
  program(name: string): BpfProgram {
    const program = this.#parts.program(name);
    if (program === undefined) throw new RangeError(`there is no program "${name}"`);
    return program;
  }

  /** The switch. */
  get settings(): MeshSettings {
    return (this.#settings ??= new MeshSettings(this, this.#writers));
  }

  /** What the programs counted. */
  get counters(): CounterReader {
    return (this.#counters ??= new CounterReader(this));
  }

  /**
   * Attaches all programs: the gate, the program that decides about messages, services, entrances. So nothing is
   * redirected before it can be answered, and nothing is accelerated before it is protected.
   *
   * @throws AlreadyAttachedError (`ERR_BPF_ALREADY_ATTACHED`) if another accelerator was attached meanwhile; the caller
   * then detaches what was attached
   */
  attach(to: Attacher): void {
    for (const stage of STAGES) {
      for (const name of programsOf(stage)) to.attach(name, this.program(name));
      if (stage !== 'gate') continue;
      const sockets = BpfSockHashMap.from(this.map('sock_pair_map'), { key: quadrupleCodec });
      to.attachVerdict(sockets, this.program(messageProgram()));
    }
    // Another process may have started at the same time, and found nobody either.
    const { id, tag } = this.program(MARK);
    refuseSecond(to.cgroup, { ids: new Set([id]), tags: new Set([tag]) }, to.mayHaveOthersBelow);
  }

  /**
   * Sends every accelerated socket back to the TCP stack, each when nothing waits in it, and waits for them: another
   * datapath takes over, whose maps are others.
   */
  async withdraw(): Promise<void> {
    this.settings.change(OWNED_BY_NOBODY);
    await new Drain(this).finished();
  }

  /**
   * Waits, with acceleration off and without entrances, until connections that were redirected have reached their
   * sidecars, and readers have read what was redirected to them.
   */
  async settled(): Promise<void> {
    const { outbound, inbound, sockets } = this.counters.read();
    await Promise.all([outbound + inbound > 0n && setTimeout(SETTLED_MS), sockets > 0n && new Drain(this).finished()]);
  }
}

/**
 * Detaches all programs, in the order that loses nothing: the reverse of {@link Datapath.attach}, with a wait after the
 * entrances.
 *
 * @internal
 * @param attached - what is attached
 * @param datapaths - whose programs they are: more than one if a start was killed
 */
export async function detach(attached: Detacher, datapaths: readonly Datapath[]): Promise<void> {
  // Sockets keep their sk_msg program until they are closed, whatever is detached: only the switch reaches them.
  for (const datapath of datapaths) attached.switchOff(datapath);
  for (const stage of [...STAGES].reverse()) {
    const isUncounted = attached.detach(stage);
    if (stage !== 'entrances') continue;
    await Promise.all([isUncounted && setTimeout(SETTLED_MS), ...datapaths.map(datapath => datapath.settled())]);
  }
}
