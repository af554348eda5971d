import { MerbridgeError } from '../errors';
import type { Acceleration, MapFill } from '../mesh';
import type { MeasuredMesh } from './measured';

/** The end of a mesh is no error: it was closed, or removed by `detachAll`. */
const ENDS: ReadonlySet<string> = new Set(['ERR_BPF_CLOSED', 'ERR_BPF_NOT_PINNED']);

/**
 * Reads a mesh once for all families of a scrape, and never throws: a mesh may be closed or removed at any time.
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

  /** How often something of a mesh that is there could not be read. */
  get errors(): number {
    return this.#errors;
  }

  /**
   * By name; one reading for all that ask in the same turn, so that what belongs together is of one moment. `undefined`
   * if there is none.
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

  /** The scope; `undefined` if there is no mesh. */
  acceleration(): Acceleration | undefined {
    return this.#try(mesh => mesh.acceleration);
  }

  /** How full the maps are, counted once for all that ask meanwhile; empty if there is no mesh. */
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
