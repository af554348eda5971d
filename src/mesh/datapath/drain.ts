import { setTimeout } from 'node:timers/promises';
import { BpfArrayMap } from '../../bpf';
import { u64 } from '../../codec';
import type { MapsByName } from '../maps/maps-by-name';

/** Every sender has sent something since the switch, or is idle. */
const FIRST_MS = 250;
/**
 * A segment that is held back comes again within this time: the longest pause between two tries of TCP in MB_HOLD_NS.
 */
const QUIET_NS = 2_700_000_000n;
/** A reader that has stalled for so long may do so for ever. */
const LONGEST_MS = 8000;

/**
 * Tells when readers have read what was redirected to them: when the gate (bpf/hooks/ingress.bpf.c) holds nothing back
 * any more.
 *
 * @internal
 */
export class Drain {
  readonly #lastHeld: BpfArrayMap<bigint>;

  constructor(object: MapsByName) {
    this.#lastHeld = BpfArrayMap.from(object.map('last_held'), { value: u64 });
  }

  /** Waits, with acceleration off, until the gate may go. */
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
