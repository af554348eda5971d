import type { MeshAccelerator, MeshProblem } from 'merbridge';
import type { PodController } from 'merbridge/kubernetes';
import type { Pages } from './web';

/** Minimum interval between two checks, which ask the kernel about every pod's cgroup. Probes may be more frequent. */
const CHECK_MS = 30_000;

/** The answers to the probes. */
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
    // Only what a restart fixes. A restart attaches again if the kubelet has created its cgroup again; it does not
    // bring back an API server.
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
