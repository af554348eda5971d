import { BpfArrayMap } from '../../bpf';
import { fromBytes, toBytes, type Codec, type CodecValue } from '../../codec';
import { DEFAULT_ACCELERATION, type Acceleration } from '../../policy';
import { mbConstant } from '../abi/enums';
import { mbSettings } from '../abi/structs';
import type { MapsByName } from './maps-by-name';

/** The settings as they are stored. A new map holds `'inherit'` until the first write. */
type Stored = CodecValue<typeof mbSettings>;

/** Which events the programs report, by the numbers of `enum mb_event_kind`. All zero means none. @internal */
export type EventSettings = Pick<Stored, 'events' | 'socketAlarm' | 'socketRearm'>;

const { events, socketAlarm, socketRearm } = fromBytes(mbSettings, Buffer.alloc(mbSettings.size));
/** The programs report no events, because nobody reads them. */
export const NO_EVENTS: EventSettings = { events, socketAlarm, socketRearm };

/**
 * For whom sockets are accelerated. Without an owner each accelerated socket returns to the TCP stack as soon as that
 * is safe.
 */
export interface Owner {
  /** Kernel address of a socket of the owning process, or a constant. */
  readonly owner: bigint;
  /** Cookie of that socket, or a constant. */
  readonly ownerCookie: bigint;
}

/** The pins own the mesh. */
export const OWNED_BY_PINS: Owner = { owner: BigInt(mbConstant.ownerPins), ownerCookie: 0n };
/** No owner, because another set of maps takes over. */
export const OWNED_BY_NOBODY: Owner = { owner: 0n, ownerCookie: 0n };
/** No owner, and acceleration was switched off by a removal, not by a user. */
export const BEING_REMOVED: Owner = { owner: 0n, ownerCookie: 0xffff_ffff_ffff_ffffn };

/** A lock for writers of a pinned mesh. One process at a time holds it. */
export interface Writers {
  /**
   * Runs a function while no other process writes. The function may call this again.
   *
   * @param body - the function; not asynchronous
   * @returns its result
   */
  hold<T>(body: () => T): T;
}

/**
 * The settings of a mesh: the single element of `mesh_settings`. Every program reads it for every decision, also for
 * connections that are already accelerated.
 *
 * Several processes may write the settings of a pinned mesh: the agent, and any process that changes the scope. So this
 * object does not cache them. Each change reads the current element first, under a lock.
 *
 * @internal
 */
export class MeshSettings {
  /**
   * The map with its element as bytes: a pinned map may come from an older or later version, whose element has fewer or
   * more members at its end.
   */
  readonly #map: BpfArrayMap<Buffer>;
  readonly #writers: Writers | undefined;
  #last = DEFAULT_ACCELERATION;

  /**
   * @param maps - contains `mesh_settings`
   * @param writers - lock for writers, if other processes may write. It remains the caller's
   */
  constructor(maps: MapsByName, writers?: Writers) {
    const map = maps.map('mesh_settings');
    this.#map = BpfArrayMap.from(map, { value: bytes(map.valueSize) });
    this.#writers = writers;
  }

  /** The scope of acceleration. After the map is closed, the last scope that was read. */
  get acceleration(): Acceleration {
    const { acceleration } = this.#map.closed ? { acceleration: 'inherit' as const } : this.#read();
    if (acceleration !== 'inherit') this.#last = acceleration;
    return this.#last;
  }

  set acceleration(value: Acceleration) {
    this.change({ acceleration: value });
  }

  /** Whether acceleration was switched off by a removal that did not finish. */
  get isBeingRemoved(): boolean {
    return this.#read().ownerCookie === BEING_REMOVED.ownerCookie;
  }

  /**
   * Sets which events the programs report from now on. No decision depends on it, so accelerated sockets do not look up
   * their scope again.
   *
   * @param events - the events
   */
  report(events: EventSettings): void {
    this.#locked(() => this.#write({ ...this.#read(), ...events }));
  }

  /** Makes every accelerated socket look up its scope again at its next message. */
  touch(): void {
    this.change({});
  }

  /**
   * Changes some members and keeps the current values of the others. Every accelerated socket sees the change at its
   * next message.
   *
   * @param members - the members to change
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

  /** Switches acceleration off permanently, before the programs are detached. */
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
