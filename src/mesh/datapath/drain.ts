import { setTimeout } from 'node:timers/promises';
import { BpfArrayMap } from '../../bpf';
import { u64 } from '../../codec';
import type { MapsByName } from '../maps/maps-by-name';

/** Within this time every sender has sent something since acceleration was switched off, or is idle. */
const FIRST_MS = 250;
/**
 * TCP retransmits a segment that is held back within this time: its longest retransmission interval within MB_HOLD_NS.
 */
const QUIET_NS = 2_700_000_000n;
/** Upper limit of the wait. A reader that has stalled for this long may stall forever. */
const LONGEST_MS = 8000;

/**
 * Waits until readers have read the data that was redirected to them. That is so when the gate
 * (bpf/hooks/ingress.bpf.c) no longer holds segments back.
 *
 * @internal
 */
export class Drain {
  readonly #lastHeld: BpfArrayMap<bigint>;

  constructor(object: MapsByName) {
    this.#lastHeld = BpfArrayMap.from(object.map('last_held'), { value: u64 });
  }

  /** Waits until the gate may be detached. Acceleration must be off. */
  async finished(): Promise<void> {
    const started = performance.now();
    await setTimeout(FIRST_MS);
    // Both clocks are CLOCK_MONOTONIC.
    while (
      process.hrtime.bigint() - (this.#lastHeld.get(0) ?? 0n) < QUIET_NS &&
      performance.now() - started < LONGEST_MS
    )
      await setTimeout(50);
  }
}
