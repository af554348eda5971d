import { isEnough, PodRulesError, type PodRulesProblem } from '../errors';
import type { PodRules } from './pod-rules';
import { readRules } from './read-rules';

const PREFIX = 'traffic.sidecar.istio.io/';

/** The port of the sidecar's own health checks, if a pod has moved it. */
const STATUS_PORT = 'status.sidecar.istio.io/port';

/** What Kubernetes takes for all annotations of a pod together; other sources have no bound of their own. */
const MAX_LENGTH = 256 * 1024;

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
 * The rules that a pod's annotations ask for, as Istio reads them: `traffic.sidecar.istio.io/` with
 * `includeInboundPorts`, `excludeInboundPorts`, `includeOutboundPorts`, `excludeOutboundPorts`,
 * `includeOutboundIPRanges` and `excludeOutboundIPRanges`, and `status.sidecar.istio.io/port`, which is excluded like
 * the profile's own ports. Spaces around entries do not matter. An annotation that is there and empty is an empty list,
 * so `includeInboundPorts: ""` redirects nothing. One of more than 262,144 characters is refused unread.
 *
 * @param pod - the annotations of the pod; those that are not of Istio do not matter
 * @param defaults - rules where there is no annotation, such as `{ excludeOutboundPorts: [15020] }`, which is what
 * istio-cni does
 * @returns rules for `localPodIps.set`
 * @throws PodRulesError (`ERR_BPF_POD_RULES`) with the first 20 entries that are wrong, by annotation and position
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
    const text = textOf(pod, name, problems);
    if (text === undefined) return [];
    if (all && text === '*') return [[rule, '*']];
    const entries = text === '' ? [] : text.split(',');
    return [[rule, ports ? parsePorts(entries, name, problems) : entries.map(entry => entry.trim())]];
  });
  const rules = { ...defaults, ...(Object.fromEntries(given) as PodRules) };
  const status = textOf(pod, STATUS_PORT, problems);
  const withStatus: PodRules =
    status === undefined
      ? rules
      : {
          ...rules,
          excludeInboundPorts: [...(rules.excludeInboundPorts ?? []), ...parsePorts([status], STATUS_PORT, problems)],
        };
  if (!isEnough(problems)) problems.push(...problemsOf(withStatus));
  if (problems.length > 0) throw new PodRulesError(problems);
  return withStatus;
}

/** An annotation without the spaces around it; undefined if there is none, or if it is too long to be one. */
function textOf(pod: Readonly<Record<string, string>>, name: string, problems: PodRulesProblem[]): string | undefined {
  const text = pod[name];
  if (text === undefined || text.length <= MAX_LENGTH) return text?.trim();
  problems.push({
    name,
    position: 0,
    entry: text,
    reason: `has ${text.length} characters, where Kubernetes allows ${MAX_LENGTH}`,
  });
  return undefined;
}

function parsePorts(entries: readonly string[], name: string, problems: PodRulesProblem[]): number[] {
  const ports: number[] = [];
  for (const [i, text] of entries.entries()) {
    if (isEnough(problems)) break;
    const entry = text.trim();
    if (isPort(entry)) ports.push(Number(entry));
    else problems.push({ name, position: i + 1, entry, reason: 'is no port: 0 to 65535' });
  }
  return ports;
}

/** As strconv.ParseUint(text, 10, 16) reads it: a port range or a name is none. */
function isPort(entry: string): boolean {
  return /^\d+$/.test(entry) && Number(entry) <= 65535;
}

/** What only the rules as a whole show, in the words of the annotations. */
function problemsOf(rules: PodRules): PodRulesProblem[] {
  const problems: PodRulesProblem[] = [];
  readRules(rules, problems);
  return problems.map(problem => ({ ...problem, name: annotations[problem.name as keyof PodRules].name }));
}
