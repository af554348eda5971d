import { isEnough, PodRulesError, type PodRulesProblem } from '../errors';
import type { PodRules } from './pod-rules';
import { readRules } from './read-rules';

const PREFIX = 'traffic.sidecar.istio.io/';

/** Sets the port of the sidecar's own health checks, if a pod changes it. */
const STATUS_PORT = 'status.sidecar.istio.io/port';

/** Limit of Kubernetes for all annotations of a pod together, in characters. Other sources may have no limit. */
const MAX_LENGTH = 256 * 1024;

/** The annotation of each rule. `all` says whether Istio accepts `'*'`. */
const annotations = {
  includeInboundPorts: { name: `${PREFIX}includeInboundPorts`, ports: true, all: true },
  excludeInboundPorts: { name: `${PREFIX}excludeInboundPorts`, ports: true, all: false },
  includeOutboundPorts: { name: `${PREFIX}includeOutboundPorts`, ports: true, all: false },
  excludeOutboundPorts: { name: `${PREFIX}excludeOutboundPorts`, ports: true, all: false },
  includeOutboundRanges: { name: `${PREFIX}includeOutboundIPRanges`, ports: false, all: true },
  excludeOutboundRanges: { name: `${PREFIX}excludeOutboundIPRanges`, ports: false, all: false },
} as const satisfies Record<keyof PodRules, { name: string; ports: boolean; all: boolean }>;

/**
 * Reads the rules of a pod from its annotations as Istio does.
 *
 * The annotations are `traffic.sidecar.istio.io/` with `includeInboundPorts`, `excludeInboundPorts`,
 * `includeOutboundPorts`, `excludeOutboundPorts`, `includeOutboundIPRanges` and `excludeOutboundIPRanges`, and
 * `status.sidecar.istio.io/port`. The latter port is excluded like the profile's own ports. Spaces around entries are
 * ignored. An annotation with an empty value is an empty list, so `includeInboundPorts: ""` redirects no inbound
 * connection. An annotation of more than 262,144 characters is refused without reading it.
 *
 * @param pod - the annotations of the pod. Those that do not belong to Istio are ignored
 * @param defaults - rules for missing annotations, such as `{ excludeOutboundPorts: [15020] }` as istio-cni has it
 * @returns rules for `localPodIps.set`
 * @throws PodRulesError (`ERR_BPF_POD_RULES`) if entries are invalid; it lists the first 20 with annotation and
 * position
 * @throws TypeError if `defaults` is not an object or has an unknown property
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

/** The trimmed value of an annotation. `undefined` if it is missing or too long. */
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
    else problems.push({ name, position: i + 1, entry, reason: 'is not a port: 0 to 65535' });
  }
  return ports;
}

/** Whether a text is a port for strconv.ParseUint(text, 10, 16). Port ranges and names are not. */
function isPort(entry: string): boolean {
  return /^\d+$/.test(entry) && Number(entry) <= 65535;
}

/** Problems of the complete rules, with the names of the annotations. */
function problemsOf(rules: PodRules): PodRulesProblem[] {
  const problems: PodRulesProblem[] = [];
  readRules(rules, problems);
  return problems.map(problem => ({ ...problem, name: annotations[problem.name as keyof PodRules].name }));
}
