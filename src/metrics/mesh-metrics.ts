import type { Acceleration, MapFill } from '../mesh';
import { refuseUnknown } from '../checks';
import { COUNTER_FAMILIES, type FamilyHead, type Sample } from './families';
import type { MeasuredController, MeasuredMesh } from './measured';
import { MeshReader } from './mesh-reader';
import { ScrapedFamily, type MetricRegistry } from './registry';

/** Options of {@link registerMeshMetrics}. */
export interface MeshMetricsOptions {
  /** A `Registry` of prom-client 15, such as its `register`. */
  readonly registry: MetricRegistry;
  /** The mesh, or a function that returns it, if it is started later or replaced. */
  readonly mesh: MeasuredMesh | (() => MeasuredMesh | undefined);
  /** The controller that keeps its pods up to date, if there is one. */
  readonly controller?: MeasuredController | undefined;
}

/** Registered metrics. */
export interface MeshMetrics extends Disposable {
  /** Names of the metric families. */
  readonly names: readonly string[];
  /** Removes the metrics from the registry. Idempotent. */
  close(): void;
}

const SCOPES: readonly Acceleration[] = ['off', 'proxies', 'full'];

/**
 * Registers the metrics of a mesh with prom-client. All values are read from the kernel at the time of a scrape: there
 * is no timer, and nothing is counted here. So the counters of a pinned mesh continue after its agent was restarted.
 *
 * A scrape never fails because of the mesh. While there is no mesh, after it was closed, or if it cannot be read,
 * `merbridge_up` is 0 and its other metrics are left out.
 *
 * @param options - the registry, the mesh, and the controller
 * @returns a handle that removes the metrics
 * @throws TypeError if an option is unknown or of the wrong type, for instance a registry that is not of prom-client
 * @throws Error (of the registry) if a name is taken; nothing is registered then
 *
 * @example
 * ```ts
 * import { MeshAccelerator } from 'merbridge';
 * import { registerMeshMetrics, type MetricRegistry } from 'merbridge/metrics';
 *
 * // With `import { register } from 'prom-client'`: measure(mesh, register), and serve `await register.metrics()`.
 * export function measure(mesh: MeshAccelerator, registry: MetricRegistry): void {
 *   registerMeshMetrics({ registry, mesh });
 * }
 * ```
 */
export function registerMeshMetrics(options: MeshMetricsOptions): MeshMetrics {
  const { registry, mesh, controller, ...unknown } = options;
  refuseUnknown(unknown, 'registerMeshMetrics');
  if (typeof registry?.registerMetric !== 'function' || typeof registry.removeSingleMetric !== 'function')
    throw new TypeError(
      'registerMeshMetrics: registry must be a Registry of prom-client: npm install prom-client, and pass its `register`',
    );
  if (typeof mesh !== 'function' && typeof mesh?.counters !== 'function')
    throw new TypeError(
      'registerMeshMetrics: mesh must be a MeshAccelerator, a PinnedMesh, or a function that returns one',
    );
  const reader = new MeshReader(typeof mesh === 'function' ? mesh : () => mesh);
  const families = [...ofMesh(reader), ...(controller === undefined ? [] : ofController(controller))];
  // prom-client may change the names of the families.
  const names = families.map(({ name }) => name);
  const registered: string[] = [];
  const close = (): void => {
    for (let name = registered.pop(); name !== undefined; name = registered.pop()) registry.removeSingleMetric(name);
  };
  try {
    families.forEach((family, i) => {
      registry.registerMetric(family);
      registered.push(names[i]!);
    });
  } catch (error) {
    close();
    throw error;
  }
  return { names, close, [Symbol.dispose]: close };
}

const gauge = (name: string, help: string): FamilyHead => ({ name, type: 'gauge', help });
const one = (value: number): Sample[] => [{ value, labels: {} }];

function ofMesh(reader: MeshReader): ScrapedFamily[] {
  const fill = (head: FamilyHead, value: (fill: MapFill) => number | undefined): ScrapedFamily =>
    new ScrapedFamily(head, async () =>
      (await reader.fill()).flatMap(each => {
        const number = value(each);
        return number === undefined ? [] : [{ value: number, labels: { map: each.map } }];
      }),
    );
  return [
    new ScrapedFamily(gauge('merbridge_up', 'Whether there is a mesh that can be read.'), () =>
      one(reader.counters() === undefined ? 0 : 1),
    ),
    ...COUNTER_FAMILIES.map(
      family =>
        new ScrapedFamily(family, () => {
          const counters = reader.counters() ?? {};
          return Object.entries(family.samples).flatMap(([name, labels]) => {
            const value = counters[name];
            return value === undefined ? [] : [{ value: Number(value), labels }];
          });
        }),
    ),
    new ScrapedFamily(
      gauge('merbridge_acceleration', 'Scope for pods that do not choose their own: 1 for the current scope.'),
      () => {
        const now = reader.acceleration();
        return now === undefined ? [] : SCOPES.map(scope => ({ value: scope === now ? 1 : 0, labels: { scope } }));
      },
    ),
    new ScrapedFamily(gauge('merbridge_pods', 'Addresses of enrolled pods.'), async () => {
      const entries = (await reader.fill()).find(({ map }) => map === 'local_pod_ips')?.entries;
      return entries === undefined ? [] : one(entries);
    }),
    fill(gauge('merbridge_map_entries', 'Entries of a map.'), ({ entries }) => entries),
    fill(gauge('merbridge_map_max_entries', 'Entries that a map can hold.'), ({ maxEntries }) => maxEntries),
    new ScrapedFamily(
      {
        name: 'merbridge_read_errors_total',
        type: 'counter',
        help: 'Times that an existing mesh could not be read.',
      },
      () => one(reader.errors),
    ),
  ];
}

function ofController(controller: MeasuredController): ScrapedFamily[] {
  return [
    new ScrapedFamily(
      gauge('merbridge_reconcile_lag_seconds', 'Age of the oldest pod change that is not applied yet.'),
      () => one(controller.lag),
    ),
    new ScrapedFamily(
      { name: 'merbridge_reconcile_errors_total', type: 'counter', help: 'Errors that the controller reported.' },
      () => one(controller.errors),
    ),
    new ScrapedFamily(gauge('merbridge_reconcile_pods', 'Addresses of pods that the controller keeps enrolled.'), () =>
      one(controller.pods),
    ),
  ];
}
