/**
 * Pods of an API server in the real `local_pod_ips` of an attached accelerator: they come soon, and after any number of
 * changes, cuts, 410s and restarts of the agent the map is exactly what is wanted. The same tests on the local server
 * and on the real kube-apiserver.
 */
import assert from 'node:assert/strict';
import { isIPv4 } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { KubernetesPods, PodController } from '../../src/kubernetes';
import { MeshAccelerator } from '../../src/mesh';
import { withCgroup } from '../fixtures/support';
import { LocalServer } from '../kube/local-server';
import { PodClient, type PodShape } from '../kube/pod-client';
import { Random } from '../bed/random';
import type { ApiServer } from '../kube/server';
import { until } from '../kube/until';
import { serverKinds } from './servers';

const NODE = 'worker-1';
const retry = { initialMs: 50, maxMs: 1000, forbiddenMs: 1000 };

/** What is known of a pod on the server. */
interface ModelPod {
  readonly node: string;
  readonly sidecar: boolean;
  ips: readonly string[];
  phase: string;
  scope: string | null;
}

/** An agent: what a process of it would hold. */
interface Agent {
  readonly controller: PodController<MeshAccelerator>;
  readonly errors: Error[];
  disconnects: number;
}

for (const kind of serverKinds) {
  // A skipped group counts for nothing: this one test is what a run without the real server lacks.
  if (kind.skip !== false) {
    test(`${kind.name}: pods are reconciled`, { skip: kind.skip }, () => undefined);
    continue;
  }
  describe(kind.name, () => {
    let server: ApiServer;
    let client: PodClient;
    let mesh: MeshAccelerator | undefined;
    const agents = new Set<Agent>();

    before(async () => {
      server = await kind.start();
      client = new PodClient(server);
    });

    after(async () => {
      client?.close();
      await server?.close();
    });

    /** The mesh stays, as pinned maps do, when an agent goes. */
    async function startAgent(cgroup: string): Promise<Agent> {
      const source = new KubernetesPods({
        nodeName: NODE,
        server: { url: server.url, ca: server.ca, token: server.adminToken },
        watchSeconds: 5,
        retry,
      });
      const controller = new PodController({
        source,
        resyncSeconds: 0,
        attach: async pods => (mesh ??= await MeshAccelerator.start({ cgroup, pods, acceleration: 'off' })),
      });
      const agent: Agent = { controller, errors: [], disconnects: 0 };
      controller
        .on('error', error => agent.errors.push(error))
        .on('disconnected', () => {
          agent.disconnects++;
        });
      agents.add(agent);
      await controller.start();
      return agent;
    }

    async function withAgent(namespace: string, body: (cgroup: string) => Promise<void>): Promise<void> {
      await client.createNamespace(namespace);
      await withCgroup(async ({ path }) => {
        try {
          await body(path);
        } finally {
          for (const { controller } of agents) await controller.close();
          agents.clear();
          await mesh?.close();
          mesh = undefined;
        }
      });
    }

    const table = (): Map<string, string> =>
      new Map([...mesh!.localPodIps].map(([address, { acceleration }]) => [address, acceleration]));

    test('1,000 pods are in the map soon after the last event', { timeout: 240_000 }, () =>
      withAgent('many', async cgroup => {
        const { controller } = await startAgent(cgroup);
        const shapes = Array.from({ length: 1000 }, (_, i): PodShape => ({
          name: `pod-${i}`,
          namespace: 'many',
          node: NODE,
          ips: [`10.1.${i >> 8}.${i & 255}`],
        }));
        const began = performance.now();
        await inParallel(shapes, 16, shape => client.create(shape));
        const last = performance.now();
        await until(
          'all 1,000 are in the map',
          () => mesh!.localPodIps.has('10.1.3.231') && [...mesh!.localPodIps.keys()].length === 1000,
        );
        const late = (performance.now() - last) / 1000;
        console.log(
          `${kind.name}: 1,000 pods made in ${((last - began) / 1000).toFixed(1)} s, all in the map ${late.toFixed(3)} s after the last`,
        );

        await controller.close();
        const again = performance.now();
        const { controller: second } = await startAgent(cgroup);
        console.log(
          `${kind.name}: an agent that starts with 1,000 pods has them after ${((performance.now() - again) / 1000).toFixed(3)} s`,
        );
        assert.equal(second.pods, 1000);
        await inParallel(shapes, 16, shape => client.delete(shape));
        await until('all have left', () => table().size === 0);
      }),
    );

    test('10,000 random changes with cuts, 410s and restarts end in the exact map', { timeout: 480_000 }, () =>
      withAgent('storm', async cgroup => {
        const random = Random.drawn(line => console.log(`${kind.name}: ${line}`));
        const names = Array.from({ length: 200 }, (_, i) => `pod-${i}`);
        /** What there is on the server: the model. */
        const pods = new Map<string, ModelPod>();
        let changes = 0;
        const free = addresses();

        /** One change of one pod. */
        async function change(name: string): Promise<void> {
          changes++;
          const pod = pods.get(name);
          const at = { name, namespace: 'storm' };
          if (pod === undefined) {
            const made: ModelPod = {
              node: random.below(10) === 0 ? 'worker-2' : NODE,
              ips: [free.take(random)],
              phase: 'Running',
              scope: null,
              sidecar: random.below(8) > 0,
            };
            pods.set(name, made);
            await client.create({ ...at, node: made.node, ips: made.ips, ...(!made.sidecar && { sidecar: false }) });
            return;
          }
          switch (random.below(6)) {
            case 0:
              pods.delete(name);
              await client.delete(at);
              free.give(pod.ips.filter(isIPv4));
              return;
            case 1: // ends, for good
              pod.phase = random.pick(['Succeeded', 'Failed']);
              await client.status(at, { phase: pod.phase });
              return;
            case 2: {
              // another sandbox, another address
              const before = pod.ips;
              pod.ips = [
                free.take(random),
                ...(random.below(3) === 0 ? [`fd00::${random.below(65536).toString(16)}`] : []),
              ];
              await client.status(at, { podIP: pod.ips[0], podIPs: pod.ips.map(ip => ({ ip })) });
              free.give(before.filter(isIPv4));
              return;
            }
            default:
              pod.scope = random.pick([null, 'off', 'proxies', 'full', 'inherit']);
              await client.annotate(at, { 'merbridge.io/acceleration': pod.scope });
          }
        }

        let agent = await startAgent(cgroup);
        let restarts = 0;
        let cuts = 0;
        let gone = 0;
        let disconnects = 0;
        const done = new AbortController();
        /** Enough of each kind, however fast this machine is. */
        const enough = (): boolean => cuts > 3 && restarts > 3 && gone > 1;
        const drawn: ('cut' | 'restart' | 'gone')[] = [];
        const trouble = (async () => {
          while (!done.signal.aborted || !enough()) {
            await setTimeout(150 + random.below(400));
            // From a bag: whatever the seed, all of them come in the first second or two.
            if (drawn.length === 0) drawn.push('cut', 'cut', 'restart', 'gone');
            const [what] = drawn.splice(random.below(drawn.length), 1);
            if (what === 'cut') {
              cuts++;
              await server.cut();
            } else if (what === 'restart') {
              restarts++;
              disconnects += agent.disconnects;
              await agent.controller.close();
              await setTimeout(random.below(300)); // pods go on changing while there is no agent
              agent = await startAgent(cgroup);
            } else if (server instanceof LocalServer) {
              gone++;
              if (random.below(2) === 0)
                server.store.compact(); // the next watch is too old
              else server.faults.push({ of: 'watch', status: 410 }, { of: 'list', status: 410 });
              if (random.below(2) === 0) server.expireWatches();
              else await server.cut();
            } else if (gone < 4) {
              gone++;
              await server.restart?.(); // its watch cache starts anew: earlier versions are gone
            }
          }
        })();
        trouble.catch(() => undefined); // it is awaited below
        const began = performance.now();
        try {
          // Each pod has its own order; pods are changed at the same time.
          await inParallel(names, 16, async name => {
            for (let i = 0; i < 50; i++) await change(name);
          });
        } finally {
          done.abort();
          await trouble;
        }
        const wanted = new Map<string, string>();
        for (const { node, ips, phase, scope, sidecar } of pods.values())
          if (node === NODE && sidecar && phase === 'Running')
            for (const ip of ips.filter(isIPv4)) wanted.set(ip, scope ?? 'inherit');
        const settled = performance.now();
        await until('the map is what is wanted', () => equal(table(), wanted)).catch((error: unknown) => {
          assert.deepEqual(table(), wanted, `seed ${random.seed}: ${String(error)}`);
        });
        const late = (performance.now() - settled) / 1000;
        await setTimeout(300);
        assert.ok(equal(table(), wanted), 'and stays so');
        disconnects += agent.disconnects;
        console.log(
          `${kind.name}: seed ${random.seed}: ${changes} changes of 200 pods in ${((settled - began) / 1000).toFixed(1)} s, ${cuts} cuts, ${gone} times 410 or ` +
            `a restarted server, ${restarts} restarts of the agent, ${disconnects} disconnects seen; exact with ${wanted.size} addresses after ${late.toFixed(3)} s`,
        );
        assert.equal(changes, 10_000);
        assert.ok(enough(), 'enough trouble');
        await inParallel([...pods.keys()], 16, name => client.delete({ name, namespace: 'storm' }));
      }),
    );
  });
}

/** Addresses for pods; one that is given back may soon be another pod's. */
function addresses(): { take(random: Random): string; give(ips: readonly string[]): void } {
  const free = Array.from({ length: 600 }, (_, i) => `10.2.${i >> 8}.${i & 255}`);
  return {
    take: random => free.splice(random.below(free.length), 1)[0]!,
    give: ips => {
      free.push(...ips);
    },
  };
}

async function inParallel<T>(items: readonly T[], workers: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}

function equal(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([key, value]) => other.get(key) === value);
}
