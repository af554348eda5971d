import { BpfArrayMap, type BpfObject } from '../bpf';
import { array, struct, u32, u64, type CodecValue } from '../codec';
import { accelerationCodec, type Acceleration } from './acceleration';
import type { Witness } from './witness';

/** struct mb_settings of bpf/include/abi.h. */
export const settingsCodec = struct({
  acceleration: accelerationCodec,
  generation: u32,
  owner: u64,
  ownerCookie: u64,
  events: array(u32, 4),
  socketAlarm: array(u32, 2),
  socketRearm: array(u32, 2),
});

/** What the programs report, in the order of enum mb_event_kind; all zero: nothing. @internal */
export type EventSettings = Pick<CodecValue<typeof settingsCodec>, 'events' | 'socketAlarm' | 'socketRearm'>;

/**
 * The switch: the one element of `mesh_settings`, which every program reads at every decision, also for connections that are
 * already accelerated.
 *
 * @internal
 */
export class MeshSettings {
  readonly #map: BpfArrayMap<CodecValue<typeof settingsCodec>>;
  #acceleration: Acceleration;
  #generation = 0;
  #reporting: EventSettings = { events: [0, 0, 0, 0], socketAlarm: [0, 0], socketRearm: [0, 0] };

  constructor(
    object: BpfObject,
    acceleration: Acceleration,
    private readonly owner: Pick<Witness, 'owner' | 'ownerCookie'>,
  ) {
    this.#map = BpfArrayMap.from(object.map('mesh_settings'), { value: settingsCodec });
    this.#acceleration = acceleration;
    this.touch();
  }

  get acceleration(): Acceleration {
    return this.#acceleration;
  }

  set acceleration(value: Acceleration) {
    this.#acceleration = value;
    this.touch();
  }

  /** What the programs report from now on. No decision depends on it, so nothing is looked up again. */
  report(events: EventSettings): void {
    this.#reporting = events;
    this.#write();
  }

  /** Makes every accelerated socket look up its scope again with its next message. */
  touch(): void {
    this.#generation = (this.#generation + 1) >>> 0;
    this.#write();
  }

  #write(): void {
    const { owner, ownerCookie } = this.owner;
    this.#map.set(0, { acceleration: this.#acceleration, generation: this.#generation, owner, ownerCookie, ...this.#reporting });
  }
}
