/** That every code is of a class, and every class has its code. Checked by `npm run typecheck`, never run. */
import type { AnyBpfError, AnyMerbridgeError, BpfErrorCode, LibraryErrorCode, MerbridgeErrorCode } from 'merbridge';

type Same<A, B> = [A, B] extends [B, A] ? true : never;

export const bpf: Same<AnyBpfError['code'], BpfErrorCode> = true;
export const all: Same<AnyMerbridgeError['code'], BpfErrorCode | LibraryErrorCode> = true;

/** A switch over all codes, Kubernetes's among them, knows when it is complete. */
export function isAboutPods(code: MerbridgeErrorCode): boolean {
  switch (code) {
    case 'ERR_POD_FILE':
    case 'ERR_POD_REFUSED':
    case 'ERR_PODS_LEFT_OUT':
    case 'ERR_BPF_POD_RULES':
      return true;
    case 'ERR_KUBERNETES_BUSY':
    case 'ERR_KUBERNETES_CONFIG':
    case 'ERR_KUBERNETES_FORBIDDEN':
    case 'ERR_KUBERNETES_PROTOCOL':
    case 'ERR_KUBERNETES_STATUS':
    case 'ERR_KUBERNETES_UNAUTHORIZED':
    case 'ERR_KUBERNETES_UNAVAILABLE':
    case 'ERR_BPF_ALREADY_ATTACHED':
    case 'ERR_BPF_CLOSED':
    case 'ERR_BPF_FOREIGN_PIN':
    case 'ERR_BPF_INVALID_ADDRESS':
    case 'ERR_BPF_ITERATION_ABORTED':
    case 'ERR_BPF_KERNEL_ADVISORY':
    case 'ERR_BPF_LIBRARY_LOAD':
    case 'ERR_BPF_MAP_FULL':
    case 'ERR_BPF_MAP_INCOMPATIBLE':
    case 'ERR_BPF_NOT_A_BPFFS':
    case 'ERR_BPF_NOT_A_CGROUP':
    case 'ERR_BPF_NOT_PINNED':
    case 'ERR_BPF_NOT_SUPPORTED':
    case 'ERR_BPF_OBJECT_FILE':
    case 'ERR_BPF_PERMISSION':
    case 'ERR_BPF_PINS_IN_USE':
    case 'ERR_BPF_PIN_CONFLICT':
    case 'ERR_BPF_RING_IN_USE':
    case 'ERR_BPF_SYSTEM_CALL':
    case 'ERR_BPF_UNREAD_NOT_COUNTED':
    case 'ERR_BPF_VERIFIER':
      return false;
    default:
      return code satisfies never;
  }
}
