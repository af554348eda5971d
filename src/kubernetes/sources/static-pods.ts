import { shown } from '../../errors';
import { podAddressIfAny, type PodOptions } from '../../policy';
import { PodSourceBase } from './pod-source-base';
import type { SourcePod } from './pod-source';

/**
 * A fixed list of pods that only the program changes.
 *
 * @example
 * ```ts
 * import { StaticPods } from 'merbridge/kubernetes';
 *
 * export const pods = new StaticPods(['10.0.0.7', ['10.0.0.8', { acceleration: 'full' }]]);
 * ```
 */
export class StaticPods extends PodSourceBase {
  #wanted: ReadonlyMap<string, SourcePod>;

  /**
   * Creates a source that is not started.
   *
   * @param pods - addresses, or pairs of address and options. Default: none
   * @throws TypeError if `pods` is a single string
   */
  constructor(pods: Iterable<string | readonly [address: string, options: PodOptions]> = []) {
    super();
    this.#wanted = byAddress(pods);
  }

  /**
   * Replaces the list.
   *
   * @param pods - addresses, or pairs of address and options
   * @throws TypeError if `pods` is a single string
   */
  set(pods: Iterable<string | readonly [address: string, options: PodOptions]>): void {
    this.#wanted = byAddress(pods);
    this.replace(this.#wanted);
  }

  /** Announces the list. */
  protected begin(): void {
    this.replace(this.#wanted);
  }

  /** Does nothing. */
  protected end(): void {}
}

function byAddress(pods: Iterable<string | readonly [address: string, options: PodOptions]>): Map<string, SourcePod> {
  if (typeof pods === 'string') throw new TypeError(`StaticPods: a list of pods is needed, such as ['${shown(pods)}']`);
  const wanted = new Map<string, SourcePod>();
  for (const pod of pods) {
    const [text, options] = typeof pod === 'string' ? [pod, {}] : pod;
    const address = podAddressIfAny(text) ?? text; // the controller reports what is wrong with it
    wanted.set(address, { name: address, addresses: [address], options });
  }
  return wanted;
}
