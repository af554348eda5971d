import { MerbridgeError } from '../errors';
import type { Acceleration, MapFill } from '../mesh';
import type { MeasuredMesh } from './measured';

/** Codes that mean that the mesh has ended: it was closed, or removed by `detachAll`. This is not an error. */
const ENDS: ReadonlySet<string> = new Set(['ERR_BPF_CLOSED', 'ERR_BPF_NOT_PINNED']);

/**
 * Reads a mesh once for all families of a scrape. It never throws, because a mesh may be closed or removed at any time.
 *
 * @internal
 */
export class MeshReader {
  readonly #mesh: () => MeasuredMesh | undefined;
  #counters: { readonly values: Readonly<Record<string, bigint>> | undefined } | undefined;
  #fill: Promise<readonly MapFill[]> | undefined;
  #errors = 0;

  constructor(mesh: () => MeasuredMesh | undefined) {
    this.#mesh = mesh;
  }

  /** Number of times that an existing mesh could not be read. */
  get errors(): number {
    return this.#errors;
  }

  /**
   * Reads the counters. All callers in the same turn of the event loop share one reading, so that the values are
   * consistent.
   *
   * @returns counters by name, or `undefined` if there is no mesh
   */
  counters(): Readonly<Record<string, bigint>> | undefined {
    if (this.#counters === undefined) {
      this.#counters = { values: this.#try(mesh => ({ ...mesh.counters() })) };
      queueMicrotask(() => {
        this.#counters = undefined;
      });
    }
    return this.#counters.values;
  }

  /**
   * Reads the scope.
   *
   * @returns the scope, or `undefined` if there is no mesh
   */
  acceleration(): Acceleration | undefined {
    return this.#try(mesh => mesh.acceleration);
  }

  /**
   * Counts the entries of the maps. Concurrent callers share one count.
   *
   * @returns fill level of each map, or an empty list if there is no mesh
   */
  fill(): Promise<readonly MapFill[]> {
    this.#fill ??= this.#readFill().finally(() => {
      this.#fill = undefined;
    });
    return this.#fill;
  }

  async #readFill(): Promise<readonly MapFill[]> {
    try {
      return (await this.#try(mesh => mesh.mapFill())) ?? [];
    } catch (error) {
      this.#failed(error);
      return [];
    }
  }

  #try<T>(read: (mesh: MeasuredMesh) => T): T | undefined {
    try {
      const mesh = this.#mesh();
      return mesh === undefined || mesh.closed === true ? undefined : read(mesh);
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }

  #failed(error: unknown): void {
    if (!(error instanceof MerbridgeError && ENDS.has(error.code))) this.#errors++;
  }
}
