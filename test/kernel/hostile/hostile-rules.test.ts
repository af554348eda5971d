/** Rules are written by whoever owns a pod: one pod's are bounded, and the others have theirs. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MeshAccelerator, type MeshAcceleratorOptions, type PodRulesError } from 'merbridge';
import { Cgroup } from 'merbridge/bpf';
import { PodController, PodSourceBase, type SourcePod } from 'merbridge/kubernetes';
import { join } from 'node:path';
import { until } from '../../bed/shell';

const PREFIX = 'traffic.sidecar.istio.io/';
const ports = (count: number, first = 1): string => Array.from({ length: count }, (_, i) => first + i).join(',');
const ranges = (count: number): string =>
  Array.from({ length: count }, (_, i) => `20.${i >> 16}.${(i >> 8) & 255}.${i & 255}/32`).join(',');

/** Pods with annotations, as the API server would have them. */
class AnnotatedPods extends PodSourceBase {
  readonly wanted = new Map<string, SourcePod>();

  want(address: string, annotations: Readonly<Record<string, string>>): void {
    const named = Object.fromEntries(Object.entries(annotations).map(([name, value]) => [`${PREFIX}${name}`, value]));
    const pod = { name: `shop/${address}`, addresses: [address], options: {}, annotations: named };
    this.wanted.set(address, pod);
    if (this.started) this.put(address, pod);
  }

  protected started = false;
  protected begin(): void {
    this.started = true;
    this.replace(this.wanted);
  }

  protected end(): void {}
}

let cgroup: Cgroup;
before(() => {
  cgroup = Cgroup.create(join(Cgroup.mountPoint(), `merbridge-hostile-rules-${process.pid}`));
});
after(() => cgroup.remove());

async function controlled(
  source: AnnotatedPods,
  work: (mesh: MeshAccelerator, errors: Error[]) => Promise<void> | void,
  options: Partial<MeshAcceleratorOptions> = {},
): Promise<void> {
  const errors: Error[] = [];
  await using controller = new PodController({
    source,
    attach: pods => MeshAccelerator.start({ cgroup: cgroup.path, acceleration: 'off', pods, ...options }),
  });
  controller.on('error', error => errors.push(error));
  await using mesh = await controller.start();
  await work(mesh, errors);
}

test('hostile rules: three pods with 43,000 ports each, and 20 of 20 honest ones with 500 are enrolled with theirs', async t => {
  const source = new AnnotatedPods();
  const hostile = ['10.9.1.1', '10.9.1.2', '10.9.1.3'];
  for (const [i, name] of ['excludeOutboundPorts', 'excludeInboundPorts', 'includeInboundPorts'].entries())
    source.want(hostile[i]!, { [name]: ports(43_000) });
  const honest = Array.from({ length: 20 }, (_, i) => `10.9.2.${i + 1}`);
  for (const [i, address] of honest.entries()) source.want(address, { excludeOutboundPorts: ports(500, 1 + i * 500) });
  await controlled(source, (mesh, errors) => {
    const enrolled = honest.filter(
      address => mesh.localPodIps.get(address)?.rules?.excludeOutboundPorts?.length === 500,
    );
    t.diagnostic(
      `${enrolled.length} of ${honest.length} honest pods enrolled; ${errors.length} errors, such as: ${errors[0]?.message}`,
    );
    assert.equal(enrolled.length, honest.length);
    assert.deepEqual(
      hostile.filter(address => mesh.localPodIps.has(address)),
      [],
    );
    assert.equal(errors.length, 3);
    for (const [i, error] of errors.entries()) {
      assert.match(
        error.message,
        new RegExp(
          `^pod ${hostile[i]}: .*rules: 43000 ports in all lists of one pod exceed its limit of 1024 \\(option maxPodRulePorts\\)`,
        ),
      );
      assert.equal((error.cause as PodRulesError).code, 'ERR_BPF_POD_RULES');
    }
  });
});

test('hostile rules: a pod that asks for too much keeps the rules that it had, and others change theirs meanwhile', async () => {
  const source = new AnnotatedPods();
  source.want('10.9.1.1', { excludeOutboundPorts: '3306' });
  source.want('10.9.2.1', { excludeOutboundPorts: '80' });
  await controlled(source, async (mesh, errors) => {
    const before = mesh.localPodIps.get('10.9.1.1');
    const others = [
      [1025, 'excludeOutboundPorts', ports(1025)],
      [2049, 'excludeOutboundIPRanges', ranges(2049)],
    ] as const;
    for (const [i, [count, name, value]] of others.entries()) {
      source.want('10.9.1.1', { [name]: value });
      source.want('10.9.2.1', { excludeOutboundPorts: `${81 + i}` });
      await until(`error ${i}`, () => errors.length > i);
      assert.match(
        errors[i]!.message,
        new RegExp(`${count} (ports|ranges) in all lists .*it keeps its previous options, until the pod changes`),
      );
      assert.deepEqual(mesh.localPodIps.get('10.9.1.1'), before);
      assert.deepEqual(mesh.localPodIps.get('10.9.2.1')?.rules?.excludeOutboundPorts, [81 + i]);
    }
    source.want('10.9.1.1', {
      excludeOutboundPorts: ports(512),
      excludeInboundPorts: ports(512),
      excludeOutboundIPRanges: ranges(2048),
    });
    await until(
      'as much as a pod may have',
      () => mesh.localPodIps.get('10.9.1.1')?.rules?.excludeInboundPorts?.length === 512,
    );
    assert.equal(
      mesh.localPodIps.get('10.9.1.1')?.rules?.excludeOutboundRanges?.length,
      2048,
      'as much as it may have',
    );
    assert.equal(errors.length, 2);
  });
});

test('hostile rules: the share follows the size of the maps, and the options say otherwise', async () => {
  const excludeOutboundPorts = Array.from({ length: 9 }, (_, i) => i);
  const refused = {
    code: 'ERR_BPF_POD_RULES',
    message: /9 ports in all lists of one pod exceed its limit of 8 \(option maxPodRulePorts/,
  };
  {
    await using mesh = await MeshAccelerator.start({ cgroup: cgroup.path, maxRulePorts: 8 * 128 });
    assert.throws(
      () => mesh.localPodIps.setMany(['10.9.0.1', ['10.9.0.2', { rules: { excludeOutboundPorts } }]]),
      refused,
    );
    assert.equal(mesh.localPodIps.has('10.9.0.1'), false, 'nothing half applied');
  }
  {
    await using mesh = await MeshAccelerator.start({ cgroup: cgroup.path, maxRulePorts: 8 * 128, maxPodRulePorts: 9 });
    assert.equal(mesh.localPodIps.set('10.9.0.2', { rules: { excludeOutboundPorts } }).has('10.9.0.2'), true);
  }
  await assert.rejects(
    MeshAccelerator.start({
      cgroup: cgroup.path,
      maxPodRulePorts: 8,
      pods: [['10.9.0.2', { rules: { excludeOutboundPorts } }]],
    }),
    refused,
  );
  assert.equal(cgroup.programs({ attachType: 'cgroup/connect4' }).length, 0);
});
