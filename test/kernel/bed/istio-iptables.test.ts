/**
 * The committed rules against Istio's own program: for every set of options the kernel holds the same ones afterwards.
 *
 * Names are those of Istio's golden files, tools/istio-iptables/pkg/capture/testdata.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Bed, drawRounds, removeIstioRules, type IstioRules, type Pod } from '../../bed';
import { istioIptablesArguments, pilotAgent, runIstioIptables } from '../../bed/istio-iptables';
import { applyCommittedRules } from '../../bed/istio-rules';
import { Random } from '../../bed/random';

const agent = pilotAgent() ?? '';
// A machine without Go says by MERBRIDGE_ISTIO_RULES=committed that there is nothing to compare with.
const skip = agent === '' && 'PILOT_AGENT names no program of Istio: scripts/istio-programs.sh builds it';

const GOLDEN: Readonly<Record<string, IstioRules>> = {
  empty: { includeInboundPorts: [], excludeInboundPorts: [], includeOutboundRanges: [] },
  ipnets: { includeInboundPorts: [], includeOutboundRanges: ['10.0.0.0/8'] },
  'ip-range': {
    includeInboundPorts: [],
    excludeOutboundRanges: ['1.1.0.0/16'],
    includeOutboundRanges: ['9.9.0.0/16'],
    uid: 3,
    gid: 1,
  },
  'loopback-outbound-iprange': { includeInboundPorts: [], includeOutboundRanges: ['127.1.2.3/32'], uid: 3, gid: 1 },
  'inbound-ports-include': { includeInboundPorts: [32000, 31000], includeOutboundRanges: [] },
  'inbound-ports-wildcard': { excludeInboundPorts: [], includeOutboundRanges: [] },
  'outbound-ports-include': {
    includeInboundPorts: [],
    includeOutboundRanges: [],
    includeOutboundPorts: [32000, 31000],
  },
  'ipv6-empty-inbound-ports': { includeInboundPorts: [], includeOutboundRanges: [], dualStack: true },
  'ipv6-inbound-ports': { includeInboundPorts: [4000, 5000], includeOutboundRanges: [], dualStack: true },
  'ipv6-ipnets': {
    includeInboundPorts: [4000, 5000],
    excludeInboundPorts: [6000, 7000],
    excludeOutboundRanges: ['2001:db8:1::/48'],
    includeOutboundRanges: ['2001:db8::/32'],
    dualStack: true,
  },
  'ipv6-uid-gid': { uid: 3, gid: 1, includeOutboundRanges: ['2001:db8::/32'], dualStack: true },
  'ipv6-outbound-ports': {
    includeInboundPorts: [],
    includeOutboundRanges: [],
    includeOutboundPorts: [32000, 31000],
    dualStack: true,
  },
};
// Not here, as neither the bed nor the library has them: tproxy and *-tproxy, *virt-interfaces, *dns*, *owner-groups*,
// basic-exclude-nic, drop-invalid, host-ipv4-loopback-cidr.

const OTHERS: Readonly<Record<string, IstioRules>> = {
  defaults: {},
  'defaults, dual-stack': { dualStack: true },
  'excluded ports': { excludeInboundPorts: [15090, 15021, 15020, 22], excludeOutboundPorts: [3306, 5432] },
  'all at once': {
    includeInboundPorts: [80],
    includeOutboundPorts: [443],
    excludeOutboundPorts: [3306],
    includeOutboundRanges: ['127.0.0.1/32', '10.0.0.0/8', 'fd00::/8'],
    excludeOutboundRanges: ['10.1.0.0/16', 'fd00:1::/32'],
    dualStack: true,
  },
};

let bed: Bed;
let pod: Pod;
before(() => {
  if (skip) return;
  bed = Bed.create({ subnet: 27 });
  pod = bed.pod('a');
});
after(() => {
  if (skip) return;
  bed.close();
  assert.deepEqual(bed.leftovers(), []);
});

/** What the kernel holds for both families, and the addresses of the loopback interface, which both may change. */
function held(write: () => void): string[] {
  removeIstioRules(pod);
  write();
  return ['iptables-save', 'ip6tables-save']
    .flatMap(tool => pod.admin(tool, ['-t', 'nat']).split('\n'))
    .filter(line => line.startsWith('-A'))
    .concat(pod.admin('ip', ['-o', '-6', 'addr', 'show', 'dev', 'lo', 'to', '::6/128']) ? ['::6 on lo'] : []);
}

function assertSame(options: IstioRules): void {
  const args = istioIptablesArguments(options);
  assert.ok(args);
  const expected = held(() => runIstioIptables(agent, pod, args));
  assert.ok(expected.length > 5, expected.join('\n'));
  assert.deepEqual(
    held(() => applyCommittedRules(pod, options)),
    expected,
  );
}

if (process.env.MERBRIDGE_ISTIO_RULES !== 'committed') {
  for (const [name, options] of [...Object.entries(GOLDEN), ...Object.entries(OTHERS)])
    test(`${name}: as Istio's own program writes them`, { skip }, () => assertSame(options));

  test('options drawn at random, those that mesh-pod-rules-equal draws', { skip }, t => {
    const { seed } = Random.drawn(line => t.diagnostic(line));
    for (const { own } of drawRounds(seed, 20, 1)) assertSame(own);
  });
}
