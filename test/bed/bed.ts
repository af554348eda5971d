import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { createCgroup } from './cgroup';
import { onAbnormalEnd } from './abnormal-end';
import { createNodeNetns, netnsPath } from './netns';
import { sweepOwned } from './owned';
import { deadRuns, recordOwner } from './owner';
import { Pod } from './pod';
import { leftoversOf, namesOf, removeRun } from './remove';
import { sh } from './shell';

/** Options of {@link Bed.create}. */
export interface BedOptions {
  /** Third byte of the pods' addresses 10.244.x.y (default 1). */
  readonly subnet?: number;
}

/**
 * One run of the test bed: a "node" with pods on this machine.
 *
 * A pod is what Kubernetes makes it of: a network namespace and a cgroup. The bed owns everything that carries its id
 * and removes all of it on {@link close}, when the process ends, and on SIGINT and SIGTERM. What a `kill -9` leaves,
 * the next {@link sweep} takes.
 */
export class Bed implements Disposable {
  readonly id: string;
  /** The parent of all pods' cgroups: attach programs here. */
  readonly cgroupPath: string;
  /**
   * Where this run's pins belong: a file or directory with this name, or names that begin with it. Who pins creates it,
   * {@link close} removes what is left.
   */
  readonly pinPath: string;
  /** Configuration and logs of this run. */
  readonly directory: string;
  readonly pods: Pod[] = [];
  /** Every process this bed started, with its start time. @internal */
  readonly spawned = new Map<number, string>();

  readonly #subnet: number;
  readonly #node: string;
  readonly #forget: () => void;
  #closed = false;

  /** Builds an empty bed, after removing what dead runs left. */
  static create(options: BedOptions = {}): Bed {
    if (process.getuid?.() !== 0) throw new Error('the test bed needs root: it makes cgroups and network namespaces');
    Bed.sweep();
    return new Bed(options);
  }

  /**
   * Removes what runs left whose owner was killed, with or without a bed; returns what that was. What is alive is not
   * touched.
   */
  static sweep(): string[] {
    return [...deadRuns().flatMap(removeRun), ...sweepOwned()];
  }

  private constructor(options: BedOptions) {
    this.id = randomBytes(3).toString('hex');
    const names = namesOf(this.id);
    this.cgroupPath = names.cgroupPath;
    this.pinPath = names.pinPath;
    this.#subnet = options.subnet ?? 1;
    this.#node = `${names.netnsPrefix}node`;
    this.#forget = onAbnormalEnd(() => this.close());
    try {
      this.directory = recordOwner(this.id);
      createCgroup(this.cgroupPath);
      createNodeNetns(this.#node, this.#address(1), this.#address6(1));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Adds a pod with the next free address. Its name becomes part of the namespace's and the cgroup's. */
  pod(name: string): Pod {
    if (this.#closed) throw new Error('this bed is closed');
    const host = this.pods.length + 10;
    const pod = new Pod(this, {
      name,
      index: this.pods.length,
      netns: `${namesOf(this.id).netnsPrefix}${name}`,
      node: this.#node,
      cgroupPath: join(this.cgroupPath, name),
      address: this.#address(host),
      address6: this.#address6(host),
      gateway: this.#address(1),
      gateway6: this.#address6(1),
    });
    this.pods.push(pod);
    return pod;
  }

  /** Runs an administrative command in the node's namespace, through which the pods meet. */
  onNode(command: string, args: readonly string[]): string {
    return sh('nsenter', [`--net=${netnsPath(this.#node)}`, '--', command, ...args]);
  }

  /** Removes everything this bed made and returns what that was. After a failure it may be called again. */
  close(): string[] {
    if (this.#closed) return [];
    const removed = removeRun(this.id);
    this.#closed = true;
    this.#forget();
    return removed;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** What still exists of this bed: cgroups, namespaces, processes, pins, files. */
  leftovers(): string[] {
    return leftoversOf(this.id, this.spawned);
  }

  #address(host: number): string {
    return `10.244.${this.#subnet}.${host}`;
  }

  #address6(host: number): string {
    return `fd00:10:244:${this.#subnet}::${host.toString(16)}`;
  }
}
