import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { bufferSizes } from '../datapath/buffer-sizes';

/** Something of this machine that changes what acceleration does. */
export interface DiagnosedHazard {
  readonly id:
    'bridge-conntrack' | 'small-receive-buffers' | 'ktls' | 'mptcp' | 'splice' | 'user-namespace' | 'lockdown';
  /** Whether it is there; `undefined` if that cannot be known, see `message`. */
  readonly applies: boolean | undefined;
  /** What it means, or why it is not known. */
  readonly message: string;
}

const SIDECARS: ReadonlySet<string> = new Set(['envoy', 'pilot-agent', 'haproxy']);

/** What can be read from /proc and /sys; what is not there, is not in this kernel. @internal */
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
      'bridged packets pass iptables (br_netfilter): where that translates addresses or ports between pods, connections are not recognised (unknownOriginalDestinations)',
    ),
    {
      id: 'small-receive-buffers',
      applies: bufferSizes(backlogLimit).receiveBuffer === 0,
      message: 'net.core.rmem_max is too small for the receive buffer of accelerated sockets: they keep their own',
    },
    {
      id: 'ktls',
      applies: existsSync('/sys/module/tls'),
      message: "the module for kTLS is there: a pod whose application or sidecar uses it needs 'proxies' or 'off'",
    },
    switchedOn(
      'mptcp',
      '/proc/sys/net/mptcp/enabled',
      /^1/,
      'MPTCP is enabled: such connections of applications stay on the TCP stack, and on kernels before 6.18 should be left out',
    ),
    {
      id: 'splice',
      applies: haproxies.length > 0,
      message: `HAProxy runs${haproxies.length > 0 ? ` (process ${pids(haproxies)})` : ''}: as a sidecar with option splice-request or splice-response it needs 'off'`,
    },
    {
      id: 'user-namespace',
      applies: own === undefined ? undefined : foreign.length > 0,
      message: `a sidecar in a user namespace of its own is not recognised by its user id${foreign.length > 0 ? `: process ${pids(foreign)}` : ''}`,
    },
    switchedOn(
      'lockdown',
      '/sys/kernel/security/lockdown',
      /\[confidentiality\]/,
      'the kernel is locked down: programs that read its memory are refused',
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
      return []; // it has ended
    }
  });
}

/** `undefined` without the right to know. */
function userNamespace(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/user`);
  } catch {
    return undefined;
  }
}
