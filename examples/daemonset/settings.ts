/** Settings of the agent. All of them are environment variables, so the manifest is the only place to set them. */
import { meshProfiles, type Acceleration, type MeshProfileName } from 'merbridge';
import { oneLine } from './one-line';

export interface Settings {
  /** Name of this node in the cluster (`NODE_NAME`, by the downward API). */
  readonly nodeName: string;
  /** The pods' cgroup (`CGROUP`). Default: found by node-cgroup.ts. */
  readonly cgroup: string | undefined;
  /** Where links, programs and maps are pinned (`PIN_DIRECTORY`). */
  readonly pinDirectory: string;
  /** The mesh whose sidecars run here (`MESH_PROFILE`). */
  readonly profile: MeshProfileName;
  /** Scope (`ACCELERATION`). Undefined: `'proxies'` at first, and then the last value of the switch. */
  readonly acceleration: Acceleration | undefined;
  /**
   * Known bugs of the kernel that its distribution has fixed (`IGNORE_ADVISORIES`, CVE numbers separated by
   * commas).
   */
  readonly ignoreAdvisories: readonly string[];
  /** Port of /healthz, /readyz and /metrics (`PORT`). 0: any free port. */
  readonly port: number;
  /** Directory with `token` and `ca.crt` (`SERVICE_ACCOUNT`). */
  readonly serviceAccount: string;
}

const ACCELERATIONS: readonly Acceleration[] = ['off', 'proxies', 'full'];

/** Reads the settings. @throws TypeError if a variable is missing or invalid; the message names it */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  // An empty variable counts as not set.
  const text = (name: string): string | undefined => environment[name]?.trim() || undefined;
  const nodeName = text('NODE_NAME');
  if (nodeName === undefined)
    throw new TypeError('NODE_NAME is not set: take it from the downward API, fieldPath spec.nodeName');
  const port = Number(text('PORT') ?? 9464);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new TypeError(`PORT must be a number from 0 to 65535, not '${oneLine(environment.PORT ?? '', 80)}'`);
  return {
    nodeName,
    cgroup: text('CGROUP'),
    pinDirectory: text('PIN_DIRECTORY') ?? '/sys/fs/bpf/merbridge',
    profile: oneOf('MESH_PROFILE', text('MESH_PROFILE') ?? 'istio', Object.keys(meshProfiles) as MeshProfileName[]),
    acceleration:
      text('ACCELERATION') === undefined ? undefined : oneOf('ACCELERATION', text('ACCELERATION'), ACCELERATIONS),
    ignoreAdvisories: (text('IGNORE_ADVISORIES') ?? '')
      .split(',')
      .map(id => id.trim())
      .filter(id => id !== ''),
    port,
    serviceAccount: text('SERVICE_ACCOUNT') ?? '/var/run/secrets/kubernetes.io/serviceaccount',
  };
}

function oneOf<T extends string>(name: string, value: string | undefined, allowed: readonly T[]): T {
  const found = allowed.find(each => each === value);
  if (found === undefined)
    throw new TypeError(`${name} must be one of ${allowed.join(', ')}, not '${oneLine(value ?? '', 80)}'`);
  return found;
}
