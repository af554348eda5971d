import { BpfArrayMap, type BpfObject } from '../bpf';
import { struct, u32 } from '../codec';
import { accelerationCodec, type Acceleration } from './acceleration';

/** struct mb_settings of bpf/include/abi.h. */
export const settingsCodec = struct({ acceleration: accelerationCodec, generation: u32 });

/**
 * The switch: the one element of `mesh_settings`, which every program reads at every decision, also for connections that are
 * already accelerated.
 *
 * @internal
 */
export class MeshSettings {
  readonly #map: BpfArrayMap<{ acceleration: Acceleration; generation: number }>;
  #acceleration: Acceleration;
  #generation = 0;

  constructor(object: BpfObject, acceleration: Acceleration) {
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
    this.#map.set(0, { acceleration: this.#acceleration, generation: this.#generation });
  }
}
