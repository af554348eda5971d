import { BpfArrayMap } from '../../bpf';
import { fromBytes, toBytes, type Codec, type CodecValue } from '../../codec';
import { DEFAULT_ACCELERATION, type Acceleration } from '../../policy';
import { mbConstant } from '../abi/enums';
import { mbSettings } from '../abi/structs';
import type { MapsByName } from './maps-by-name';

/** `'inherit'` is what a new map holds, before the first write. */
type Stored = CodecValue<typeof mbSettings>;

/** What the programs report, by the numbers of enum mb_event_kind; all zero: nothing. @internal */
export type EventSettings = Pick<Stored, 'events' | 'socketAlarm' | 'socketRearm'>;

const { events, socketAlarm, socketRearm } = fromBytes(mbSettings, Buffer.alloc(mbSettings.size));
/** Nobody reads what the programs report. */
export const NO_EVENTS: EventSettings = { events, socketAlarm, socketRearm };

/** On whose account sockets are accelerated: without an owner they go back to the TCP stack, each when it is safe. */
export interface Owner {
  readonly owner: bigint;
  readonly ownerCookie: bigint;
}

/** The pins hold everything. */
export const OWNED_BY_PINS: Owner = { owner: BigInt(mbConstant.ownerPins), ownerCookie: 0n };
/** Nobody: another set of maps takes over. */
export const OWNED_BY_NOBODY: Owner = { owner: 0n, ownerCookie: 0n };
/** Nobody, and acceleration was switched off for a removal: not a word of whoever may switch. */
export const BEING_REMOVED: Owner = { owner: 0n, ownerCookie: 0xffff_ffff_ffff_ffffn };

/** What writers of a pinned mesh hold, one process at a time. */
export interface Writers {
  /** Runs a function while no other process writes. The function may call this again. */
  hold<T>(body: () => T): T;
}

/**
 * The switch: the one element of `mesh_settings`, which every program reads at every decision, also for connections
 * that are already accelerated.
 *
 * Of a pinned mesh more than one process may write it: the agent, and whoever switches. So nothing is kept here: each
 * change reads what is there, under a lock.
 *
 * @internal
 */
export class MeshSettings {
  /**
   * As bytes: a pinned map may be of an older or a later version, which has fewer or more members behind the first
   * ones.
   */
  readonly #map: BpfArrayMap<Buffer>;
  readonly #writers: Writers | undefined;
  #last = DEFAULT_ACCELERATION;

  /**
   * @param maps - where `mesh_settings` is
   * @param writers - what writers hold, if there may be others; stays the caller's
   */
  constructor(maps: MapsByName, writers?: Writers) {
    const map = maps.map('mesh_settings');
    this.#map = BpfArrayMap.from(map, { value: bytes(map.valueSize) });
    this.#writers = writers;
  }

  /** The scope; after the map was closed the last one that was seen. */
  get acceleration(): Acceleration {
    const { acceleration } = this.#map.closed ? { acceleration: 'inherit' as const } : this.#read();
    if (acceleration !== 'inherit') this.#last = acceleration;
    return this.#last;
  }

  set acceleration(value: Acceleration) {
    this.change({ acceleration: value });
  }

  /** Whether acceleration was switched off for a removal that did not come to its end. */
  get isBeingRemoved(): boolean {
    return this.#read().ownerCookie === BEING_REMOVED.ownerCookie;
  }

  /** What the programs report from now on. No decision depends on it, so nothing is looked up again. */
  report(events: EventSettings): void {
    this.#locked(() => this.#write({ ...this.#read(), ...events }));
  }

  /** Makes every accelerated socket look up its scope again with its next message. */
  touch(): void {
    this.change({});
  }

  /**
   * Changes some members and leaves the others as they are at that moment. Every accelerated socket sees it with its
   * next message.
   */
  change(members: Partial<Pick<Stored, 'acceleration' | 'owner' | 'ownerCookie'>>): void {
    this.#locked(() => {
      const now = this.#read();
      const next = { ...now, ...members, generation: (now.generation + 1) >>> 0 };
      if (next.acceleration === 'inherit') next.acceleration = this.#last;
      this.#write(next);
      this.#last = next.acceleration;
    });
  }

  /** Switches acceleration off before the programs are detached, for good. */
  retire(): void {
    const isOff = this.#read().acceleration === 'off';
    this.change({ acceleration: 'off', ...(isOff ? OWNED_BY_NOBODY : BEING_REMOVED) });
  }

  #read(): Stored {
    const members = Buffer.alloc(mbSettings.size);
    this.#bytes().copy(members);
    return fromBytes(mbSettings, members);
  }

  #write(members: Stored): void {
    const all = this.#bytes();
    toBytes(mbSettings, members).copy(all);
    this.#map.set(0, all);
  }

  #bytes(): Buffer {
    // An array has all its elements from the start.
    return this.#map.get(0)!;
  }

  #locked(write: () => void): void {
    if (this.#writers === undefined) write();
    else this.#writers.hold(write);
  }
}

function bytes(size: number): Codec<Buffer> {
  return {
    size,
    encode: (value, buffer, offset = 0) => void value.copy(buffer, offset, 0, size),
    decode: (buffer, offset = 0) => Buffer.from(buffer.subarray(offset, offset + size)),
  };
}
