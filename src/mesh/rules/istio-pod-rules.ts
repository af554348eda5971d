import { PodRulesError, type PodRulesProblem } from '../../errors';
import { ruleSetOf, type PodRules } from './pod-rules';

const PREFIX = 'traffic.sidecar.istio.io/';

/** The port of the sidecar's own health checks, if a pod has moved it. */
const STATUS_PORT = 'status.sidecar.istio.io/port';

/** Annotations by the rule that they are. `'*'` is allowed where it is one for Istio. */
const annotations = {
  includeInboundPorts: { name: `${PREFIX}includeInboundPorts`, ports: true, all: true },
  excludeInboundPorts: { name: `${PREFIX}excludeInboundPorts`, ports: true, all: false },
  includeOutboundPorts: { name: `${PREFIX}includeOutboundPorts`, ports: true, all: false },
  excludeOutboundPorts: { name: `${PREFIX}excludeOutboundPorts`, ports: true, all: false },
  includeOutboundRanges: { name: `${PREFIX}includeOutboundIPRanges`, ports: false, all: true },
  excludeOutboundRanges: { name: `${PREFIX}excludeOutboundIPRanges`, ports: false, all: false },
} as const satisfies Record<keyof PodRules, { name: string; ports: boolean; all: boolean }>;

/**
 * The rules that a pod's annotations ask for, as Istio reads them: `traffic.sidecar.istio.io/` with `includeInboundPorts`,
 * `excludeInboundPorts`, `includeOutboundPorts`, `excludeOutboundPorts`, `includeOutboundIPRanges` and `excludeOutboundIPRanges`, and
 * `status.sidecar.istio.io/port`, which is excluded like the profile's own ports. Spaces around entries do not matter. An annotation that is there
 * and empty is an empty list, so `includeInboundPorts: ""` redirects nothing.
 *
 * @param pod - the annotations of the pod; those that are not of Istio do not matter
 * @param defaults - rules where there is no annotation, such as `{ excludeOutboundPorts: [15020] }`, which is what istio-cni does
 * @returns rules for `localPodIps.set`
 * @throws PodRulesError (`ERR_BPF_POD_RULES`) with each entry that is wrong, by annotation and position
 * @example
 * ```ts
 * import { istioPodRules, type MeshAccelerator } from 'merbridge';
 *
 * export function enrol(mesh: MeshAccelerator, address: string, annotations: Record<string, string>): void {
 *   mesh.localPodIps.set(address, { rules: istioPodRules(annotations) });
 * }
 * ```
 */
export function istioPodRules(pod: Readonly<Record<string, string>>, defaults: PodRules = {}): PodRules {
  const problems: PodRulesProblem[] = [];
  const given = Object.entries(annotations).flatMap(([rule, { name, ports, all }]) => {
    const text = pod[name]?.trim();
    if (text === undefined) return [];
    if (all && text === '*') return [[rule, '*']];
    const entries = text === '' ? [] : text.split(',').map((entry) => entry.trim());
    return [[rule, ports ? entries.map((entry, i) => parsePort(entry, name, i + 1, problems)) : entries]];
  });
  const rules = { ...defaults, ...(Object.fromEntries(given) as PodRules) };
  const status = pod[STATUS_PORT];
  const withStatus: PodRules =
    status === undefined ? rules : { ...rules, excludeInboundPorts: [...(rules.excludeInboundPorts ?? []), parsePort(status.trim(), STATUS_PORT, 1, problems)] };
  problems.push(...problemsOf(withStatus));
  if (problems.length > 0) throw new PodRulesError(problems);
  return withStatus;
}

/** As strconv.ParseUint(text, 10, 16) reads it: a port range or a name is none. */
function parsePort(entry: string, name: string, position: number, problems: PodRulesProblem[]): number {
  if (/^\d+$/.test(entry) && Number(entry) <= 65535) return Number(entry);
  problems.push({ name, position, entry, reason: 'is no port: 0 to 65535' });
  return 0;
}

/** What only the rules as a whole show, in the words of the annotations. */
function problemsOf(rules: PodRules): PodRulesProblem[] {
  try {
    ruleSetOf(rules);
    return [];
  } catch (error) {
    if (!(error instanceof PodRulesError)) throw error;
    return error.problems.map((problem) => ({ ...problem, name: annotations[problem.name as keyof PodRules].name }));
  }
}
