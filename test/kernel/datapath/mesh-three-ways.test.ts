/**
 * Requests through real sidecars, under Istio's rules alone, under the library alone, and under both: what the client
 * is answered, and what both sidecars say of it, must be the same in every scope.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  Bed,
  SIDECAR_KINDS,
  SIDECAR_UID,
  WAYS,
  WEB_PORT,
  enterMesh,
  request,
  startSidecar,
  startWebServer,
  type SidecarKind,
  type Way,
} from '../../bed';
import { until } from '../../bed/shell';

/** Two Services; the node translates neither, so who does not know them gets no answer. */
const [OWN_SERVICE, OTHER_SERVICE] = ['10.96.0.10:80', '10.96.0.11:80'] as const;

interface Request {
  readonly name: string;
  readonly uid?: number;
  readonly to: (own: string, other: string) => string;
  /** The sidecars that it passes. */
  readonly hops: number;
}

const REQUESTS: readonly Request[] = [
  { name: 'application to the Service of another pod', to: () => OTHER_SERVICE, hops: 2 },
  { name: 'application to the Service of its own pod', to: () => OWN_SERVICE, hops: 2 },
  { name: 'application to another pod, as by a headless Service', to: (_, other) => `${other}:${WEB_PORT}`, hops: 2 },
  { name: 'application to its own address, as by a headless Service', to: own => `${own}:${WEB_PORT}`, hops: 0 },
  { name: 'application to 127.0.0.1', to: () => `127.0.0.1:${WEB_PORT}`, hops: 0 },
  { name: 'sidecar to its own address', uid: SIDECAR_UID, to: own => `${own}:${WEB_PORT}`, hops: 1 },
  { name: 'sidecar to another pod', uid: SIDECAR_UID, to: (_, other) => `${other}:${WEB_PORT}`, hops: 1 },
  { name: 'sidecar to 127.0.0.1', uid: SIDECAR_UID, to: () => `127.0.0.1:${WEB_PORT}`, hops: 0 },
];

/** What each request gave, by its name: addresses by role, ephemeral ports left out. */
async function observe(kind: SidecarKind, way: Way, subnet: number): Promise<Record<string, unknown>> {
  const bed = Bed.create({ subnet });
  const [own, other] = [bed.pod('own'), bed.pod('other')];
  const mesh = await enterMesh(bed, way);
  try {
    await startWebServer(own, { bodyBytes: 11 });
    await startWebServer(other, { bodyBytes: 22 });
    const services = { [OWN_SERVICE]: `${own.address}:${WEB_PORT}`, [OTHER_SERVICE]: `${other.address}:${WEB_PORT}` };
    const sidecars = await Promise.all([own, other].map(pod => startSidecar(pod, { kind, services })));
    const byRole = (endpoint: string): string => endpoint.replace(own.address, 'own').replace(other.address, 'other');
    const withoutPort = (endpoint: string): string => byRole(endpoint).replace(/:\d+$/, '');
    const seen: Record<string, unknown> = {};
    for (const { name, uid, to, hops } of REQUESTS) {
      for (const sidecar of sidecars) sidecar.clearLog();
      const { status, body, peer } = await request(own, `http://${to(own.address, other.address)}/`, { uid });
      const logged = () => sidecars.flatMap(sidecar => sidecar.connections());
      await until(`${name}: ${hops} hops are logged`, () => logged().length >= hops).catch(() => undefined); // compared below
      seen[name] = {
        status,
        bytes: body.length,
        peer: byRole(peer),
        hops: logged()
          .map(({ side, destination, client, upstream, status: answered }) =>
            [side, byRole(destination), withoutPort(client), byRole(upstream), answered].join(' '),
          )
          .sort(),
      };
    }
    assert.equal(mesh?.counters().unknownOriginalDestinations ?? 0n, 0n);
    return seen;
  } finally {
    await mesh?.close();
    bed.close();
    assert.deepEqual(bed.leftovers(), []);
  }
}

for (const kind of SIDECAR_KINDS) {
  test(
    `${kind}: own and other Services and addresses, and 127.0.0.1, the same in all ways`,
    { timeout: 240_000 },
    async t => {
      const expected = await observe(kind, 'iptables', 121);
      for (const { name, hops } of REQUESTS) {
        const { status, hops: passed } = expected[name] as { status: number; hops: string[] };
        assert.deepEqual(
          [status, passed.length],
          [200, hops],
          `${name}: the reference itself is as Istio documents it`,
        );
      }
      for (const [index, way] of WAYS.entries()) {
        if (way === 'iptables') continue;
        await t.test(way, async () => assert.deepEqual(await observe(kind, way, 121 + index), expected));
      }
    },
  );
}
