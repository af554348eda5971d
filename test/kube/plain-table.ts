import { MapFullError } from '../../src/errors';
import type { Pod, PodOptions } from '../../src/mesh';
import type { PodTable } from '../../src/kubernetes';

/** `localPodIps` without a kernel. */
export class PlainTable implements PodTable {
  readonly pods = new Map<string, Pod>();
  /** How often it was written, calls of `setMany` counted once. */
  writes = 0;
  reads = 0;
  /** Addresses that it refuses, with what. */
  readonly refuses = new Map<string, Error>();

  constructor(public maxEntries = Infinity) {}

  get(address: string): Pod | undefined {
    return this.pods.get(address);
  }

  set(address: string, options: PodOptions): this {
    this.writes++;
    this.#put(address, options, 0);
    return this;
  }

  setMany(pods: Iterable<readonly [string, PodOptions]>): void {
    this.writes++;
    let count = 0;
    for (const [address, options] of pods) this.#put(address, options, count++);
  }

  deleteMany(addresses: Iterable<string>): void {
    this.writes++;
    for (const address of addresses) this.pods.delete(address);
  }

  entries(): IterableIterator<[string, Pod]> {
    this.reads++;
    return this.pods.entries();
  }

  #put(address: string, options: PodOptions, count: number): void {
    const refusal = this.refuses.get(address);
    if (refusal !== undefined) throw refusal;
    if (!this.pods.has(address) && this.pods.size >= this.maxEntries)
      throw new MapFullError('local_pod_ips', this.maxEntries, count);
    const { acceleration = 'inherit', rules, cgroup } = options;
    this.pods.set(address, { acceleration, rules, cgroup: typeof cgroup === 'bigint' ? cgroup : undefined });
  }
}
