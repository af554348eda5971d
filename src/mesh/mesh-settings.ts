import { BpfArrayMap, type BpfObject } from '../bpf';
import { struct, u32, u64 } from '../codec';
import { accelerationCodec, type Acceleration } from './acceleration';
import type { Witness } from './witness';

/** struct mb_settings of bpf/include/abi.h. */
export const settingsCodec = struct({ acceleration: accelerationCodec, generation: u32, owner: u64, ownerCookie: u64 });

/**
 * The switch: the one element of `mesh_settings`, which every program reads at every decision, also for connections that are
 * already accelerated.
 *
 * @internal
 */
export class MeshSettings {
  readonly #map: BpfArrayMap<{ acceleration: Acceleration; generation: number; owner: bigint; ownerCookie: bigint }>;
  #acceleration: Acceleration;
  #generation = 0;

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

  /** Makes every accelerated socket look up its scope again with its next message. */
  touch(): void {
    this.#generation = (this.#generation + 1) >>> 0;
    const { owner, ownerCookie } = this.owner;
    this.#map.set(0, { acceleration: this.#acceleration, generation: this.#generation, owner, ownerCookie });
  }
}
