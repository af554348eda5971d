import type { Acceleration, MapFill } from '../mesh';
import { refuseUnknown } from '../policy';
import { COUNTER_FAMILIES, type FamilyHead, type Sample } from './families';
import type { MeasuredController, MeasuredMesh } from './measured';
import { MeshReader } from './mesh-reader';
import { ScrapedFamily, type MetricRegistry } from './registry';

/** What {@link registerMeshMetrics} measures, and where it is told. */
export interface MeshMetricsOptions {
  /** A `Registry` of prom-client 15, such as its `register`. */
  readonly registry: MetricRegistry;
  /** The mesh, or a function that gives it, if it is started later or replaced. */
  readonly mesh: MeasuredMesh | (() => MeasuredMesh | undefined);
  /** The controller that keeps its pods up to date, if there is one. */
  readonly controller?: MeasuredController | undefined;
}

/** Metrics that are registered. */
export interface MeshMetrics extends Disposable {
  /** Names of the families. */
  readonly names: readonly string[];
  /** Takes them out of the registry. Idempotent. */
  close(): void;
}

const SCOPES: readonly Acceleration[] = ['off', 'proxies', 'full'];

/**
 * Registers the metrics of a mesh with prom-client. Everything is read when it is scraped, from the kernel: no timer
 * runs, and nothing is counted here. So counters of a pinned mesh go on where they were when its agent is started
 * again.
 *
 * A scrape never fails because of the mesh: while there is none, after it was closed, or if it cannot be read,
 * `merbridge_up` is 0 and what would be read of it is left out.
 *
 * @param options - the registry, the mesh, the controller
 * @returns a handle that takes the metrics out again
 * @throws TypeError for options that make no sense, such as a registry that is none of prom-client
 * @throws the error of the registry if a name is taken; nothing is registered then
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
      'registerMeshMetrics: mesh must be a MeshAccelerator, a PinnedMesh, or a function that gives one',
    );
  const reader = new MeshReader(typeof mesh === 'function' ? mesh : () => mesh);
  const families = [...ofMesh(reader), ...(controller === undefined ? [] : ofController(controller))];
  // prom-client may write the names of the families themselves.
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
    new ScrapedFamily(gauge('merbridge_up', 'Whether the mesh is there and can be read.'), () =>
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
      gauge('merbridge_acceleration', 'Scope for pods that do not choose their own: 1 for the one in force.'),
      () => {
        const now = reader.acceleration();
        return now === undefined ? [] : SCOPES.map(scope => ({ value: scope === now ? 1 : 0, labels: { scope } }));
      },
    ),
    new ScrapedFamily(gauge('merbridge_pods', 'Addresses of pods that are enrolled.'), async () => {
      const entries = (await reader.fill()).find(({ map }) => map === 'local_pod_ips')?.entries;
      return entries === undefined ? [] : one(entries);
    }),
    fill(gauge('merbridge_map_entries', 'Entries of a map.'), ({ entries }) => entries),
    fill(gauge('merbridge_map_max_entries', 'Entries that a map can hold.'), ({ maxEntries }) => maxEntries),
    new ScrapedFamily(
      {
        name: 'merbridge_read_errors_total',
        type: 'counter',
        help: 'Times that the mesh was there, and could not be read.',
      },
      () => one(reader.errors),
    ),
  ];
}

function ofController(controller: MeasuredController): ScrapedFamily[] {
  return [
    new ScrapedFamily(
      gauge('merbridge_reconcile_lag_seconds', 'Age of the oldest change of a pod that is not applied yet.'),
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
