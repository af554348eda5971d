import { availableParallelism } from 'node:os';
import type { MeshAccelerator } from 'merbridge';
import { Bed } from '../bed';
import { sh } from '../shell';
import { enterMesh, type Mode } from '../modes';
import { enterNaiveMesh } from '../naive';
import type { Pod } from '../pod';
import { type Sidecar, type SidecarKind, startSidecar } from '../sidecar';

/**
 * How streams are carried: as pods are brought into their mesh, or by the naive program in the place of the library's.
 */
export type Path = Mode | 'naive';

/** Options of {@link Ground.open}. */
export interface GroundOptions {
  readonly path: Path;
  readonly sidecar: SidecarKind;
  /** Threads of each sidecar (default 1). */
  readonly threads?: number;
  readonly subnet?: number;
  readonly backlogLimit?: number;
}

/** Two pods with sidecars that pass streams through, and a way between them: where streams are tried. */
export class Ground implements AsyncDisposable {
  readonly #bed: Bed;
  readonly #sidecars: Sidecar[] = [];
  #mode: 'tcp' | 'http' = 'tcp';
  mesh: MeshAccelerator | undefined;

  private constructor(readonly options: GroundOptions) {
    this.#bed = Bed.create({ subnet: options.subnet ?? 96 });
    for (const name of ['client', 'server']) spreadOverCpus(this.#bed.pod(name));
  }

  static async open(options: GroundOptions): Promise<Ground> {
    const ground = new Ground(options);
    try {
      await ground.enter();
      for (const pod of ground.#bed.pods) ground.#sidecars.push(await ground.#start(pod));
      return ground;
    } catch (error) {
      await ground[Symbol.asyncDispose]();
      throw error;
    }
  }

  get client(): Pod {
    return this.#bed.pods[0]!;
  }

  get server(): Pod {
    return this.#bed.pods[1]!;
  }

  /** Brings both pods into the mesh: at the beginning, and again after the accelerator was closed. */
  async enter(): Promise<void> {
    const { path, backlogLimit } = this.options;
    this.mesh =
      path === 'naive'
        ? await enterNaiveMesh(this.#bed)
        : await enterMesh(this.#bed, path, backlogLimit ? { backlogLimit } : {});
  }

  /** Kills the sidecar of the client's (0) or the server's pod (1), and starts another in its place. */
  async restartSidecar(pod: 0 | 1): Promise<void> {
    await this.#sidecars[pod]!.stop('SIGKILL');
    this.#sidecars[pod] = await this.#start(this.#bed.pods[pod]!);
  }

  /** Replaces both sidecars by others that take part in HTTP, or by such that pass streams through. */
  async use(mode: 'tcp' | 'http'): Promise<void> {
    this.#mode = mode;
    for (const pod of [0, 1] as const) await this.restartSidecar(pod);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.mesh && !this.mesh.closed) await this.mesh.close();
    } finally {
      this.#bed.close();
    }
  }

  #start(pod: Pod): Promise<Sidecar> {
    const { sidecar, threads } = this.options;
    return startSidecar(pod, { kind: sidecar, mode: this.#mode, log: false, ...(threads ? { threads } : {}) });
  }
}

/**
 * Receive packet steering: packets of a connection are taken in on another CPU than they were sent from, at another
 * moment. Without it, what a socket sends over a virtual device has arrived before `send` returns, and half of what can
 * go wrong does not.
 */
function spreadOverCpus(pod: Pod): void {
  const mask = (2 ** Math.min(availableParallelism(), 32) - 1).toString(16);
  sh('ip', [
    'netns',
    'exec',
    pod.netns,
    'sh',
    '-c',
    `for queue in /sys/class/net/*/queues/rx-*/rps_cpus; do echo ${mask} > $queue; done`,
  ]);
}
