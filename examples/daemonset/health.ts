import type { MeshAccelerator, MeshProblem } from 'merbridge';
import type { PodController } from 'merbridge/kubernetes';
import type { Pages } from './web';

/** A check asks the kernel about every pod's cgroup. So often is enough, however often a probe comes. */
const CHECK_MS = 30_000;

/** What the probes are told. */
export class Health {
  /** Set when the programs are attached. */
  mesh: MeshAccelerator | undefined;
  readonly #controller: PodController<MeshAccelerator>;
  #problems: readonly MeshProblem[] = [];
  #checked = -Infinity;

  constructor(controller: PodController<MeshAccelerator>) {
    this.#controller = controller;
  }

  readonly pages: Pick<Pages, 'unhealthy' | 'unready'> = {
    // Only what a new process mends. It attaches again where the kubelet made its cgroup anew; it does not bring an API
    // server back.
    unhealthy: () => this.#check().find(({ kind }) => kind === 'detached')?.message,
    unready: () => {
      if (this.#controller.closed) return 'ending';
      if (this.mesh === undefined)
        return 'waiting for the first list of pods from the API server: nothing is attached by this process yet';
      return this.#check()[0]?.message;
    },
  };

  #check(): readonly MeshProblem[] {
    if (this.mesh === undefined || this.mesh.closed) return [];
    const now = performance.now();
    if (now - this.#checked > CHECK_MS) {
      this.#checked = now;
      this.#problems = this.mesh.check();
    }
    return this.#problems;
  }
}
