import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { bufferSizes } from '../datapath/buffer-sizes';

/** A property of this machine that affects acceleration. */
export interface DiagnosedHazard {
  /** Which property it is. */
  readonly id:
    'bridge-conntrack' | 'small-receive-buffers' | 'ktls' | 'mptcp' | 'splice' | 'user-namespace' | 'lockdown';
  /** Whether this machine has it. `undefined` if that is not known; `message` says why. */
  readonly applies: boolean | undefined;
  /** What it means, or why it is not known. */
  readonly message: string;
}

const SIDECARS: ReadonlySet<string> = new Set(['envoy', 'pilot-agent', 'haproxy']);

/**
 * Reads the hazards from /proc and /sys. If a file does not exist, the kernel does not have the feature.
 *
 * @internal
 * @param backlogLimit - bytes, see {@link DiagnoseOptions.backlogLimit}
 * @returns all hazards, with whether they apply
 */
export function diagnoseHazards(backlogLimit: number): DiagnosedHazard[] {
  const sidecars = processes().filter(({ name }) => SIDECARS.has(name));
  const pids = (some: readonly { readonly pid: string }[]): string => some.map(({ pid }) => pid).join(', ');
  const haproxies = sidecars.filter(({ name }) => name === 'haproxy');
  const own = userNamespace('self');
  const foreign = sidecars.filter(({ pid }) => ![undefined, own].includes(userNamespace(pid)));
  return [
    switchedOn(
      'bridge-conntrack',
      '/proc/sys/net/bridge/bridge-nf-call-iptables',
      /^1/,
      'bridged packets pass through iptables (br_netfilter): if it translates addresses or ports between pods, the original destination of these connections is unknown (unknownOriginalDestinations)',
    ),
    {
      id: 'small-receive-buffers',
      applies: bufferSizes(backlogLimit).receiveBuffer === 0,
      message:
        'net.core.rmem_max is too small for the receive buffer of accelerated sockets: they keep their default buffers',
    },
    {
      id: 'ktls',
      applies: existsSync('/sys/module/tls'),
      message:
        "the kernel module for kTLS is loaded: a pod whose application or sidecar uses kTLS needs 'proxies' or 'off'",
    },
    switchedOn(
      'mptcp',
      '/proc/sys/net/mptcp/enabled',
      /^1/,
      'MPTCP is enabled: MPTCP connections of applications stay on the TCP stack; on kernels before 6.18 exclude them',
    ),
    {
      id: 'splice',
      applies: haproxies.length > 0,
      message: `HAProxy is running${haproxies.length > 0 ? ` (process ${pids(haproxies)})` : ''}: as a sidecar with option splice-request or splice-response it needs 'off'`,
    },
    {
      id: 'user-namespace',
      applies: own === undefined ? undefined : foreign.length > 0,
      message: `a sidecar in its own user namespace is not recognized by its user id${foreign.length > 0 ? `: process ${pids(foreign)}` : ''}`,
    },
    switchedOn(
      'lockdown',
      '/sys/kernel/security/lockdown',
      /\[confidentiality\]/,
      'the kernel is locked down (confidentiality): it refuses programs that read kernel memory',
    ),
  ];
}

function switchedOn(id: DiagnosedHazard['id'], path: string, on: RegExp, message: string): DiagnosedHazard {
  try {
    return { id, applies: on.test(readFileSync(path, 'latin1')), message };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT'
      ? { id, applies: false, message }
      : { id, applies: undefined, message: `${path}: ${code ?? String(error)}` };
  }
}

function processes(): { readonly pid: string; readonly name: string }[] {
  return readdirSync('/proc').flatMap(pid => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      return [{ pid, name: readFileSync(`/proc/${pid}/comm`, 'latin1').trimEnd() }];
    } catch {
      return []; // the process has ended
    }
  });
}

/** Name of the user namespace of a process. `undefined` if this process may not read it. */
function userNamespace(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/user`);
  } catch {
    return undefined;
  }
}
