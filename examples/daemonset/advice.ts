/** What an operator should do about an error. Codes are stable; messages are for people. */
import { MerbridgeError, PermissionError } from 'merbridge';
import { oneLine } from './one-line';

const ADVICE: Readonly<Record<string, string>> = {
  ERR_BPF_PERMISSION:
    'no capability is missing: look at seccomp, AppArmor, SELinux, kernel lockdown, and who owns the directories',
  ERR_BPF_NOT_A_CGROUP:
    "mount the host's /sys/fs/cgroup into the container, and set CGROUP if the pods' cgroup is not found",
  ERR_BPF_NOT_A_BPFFS: "mount the host's BPF file system (/sys/fs/bpf) where PIN_DIRECTORY is",
  ERR_BPF_FOREIGN_PIN: 'look at what lies at that path on the node with bpftool, and remove it if nobody needs it',
  ERR_BPF_PINS_IN_USE: 'another agent works on this node: two DaemonSets, or one that is about to end',
  ERR_BPF_PIN_CONFLICT: 'apply remove/uninstall.yaml first, as its head says, or set CGROUP and MESH_PROFILE as before',
  ERR_BPF_ALREADY_ATTACHED: 'another accelerator runs on this node; stop it first',
  ERR_BPF_LIBRARY_LOAD: 'install libbpf 1.0 or later in the image',
  ERR_BPF_NOT_SUPPORTED: 'this node needs a newer kernel: keep the DaemonSet off it with a nodeSelector',
  ERR_KUBERNETES_FORBIDDEN: 'bind the ClusterRole of deploy/merbridge.yaml to the service account of the pod',
};

/** One line that says what is wrong, and one that says what to do. */
export function explain(error: unknown): string {
  if (!(error instanceof MerbridgeError)) return oneLine(error instanceof Error ? error.message : String(error));
  const missing = error instanceof PermissionError ? error.missing : [];
  const todo =
    missing.length > 0
      ? `grant ${missing.join(', ')} to the container, as deploy/merbridge.yaml does`
      : ADVICE[error.code];
  return `${error.code}: ${oneLine(error.message)}${todo === undefined ? '' : `\n  ${todo}`}`;
}
