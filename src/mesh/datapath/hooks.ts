import { kernelAtLeast, type AttachTypeName } from '../../bpf';

/** Protects accelerated sockets, so it is around everything else: attached first, detached last. */
export const GATE = 'mb_ingress';

/**
 * What answers for connections that were redirected: there before the first one is, and until they have found their
 * way.
 */
export const SERVICES = ['mb_sockops', 'mb_getsockopt', 'mb_getpeername4', 'mb_getpeername6'] as const;

/** What redirects: attached last, so nothing is redirected before it can be answered, and detached first. */
export const ENTRANCES = ['mb_connect6', 'mb_connect4'] as const;

/** Where each program attaches, in the order in which they are attached. */
export const HOOKS: ReadonlyMap<string, AttachTypeName> = new Map<string, AttachTypeName>([
  [GATE, 'cgroup_skb/ingress'],
  ['mb_sockops', 'sockops'],
  ['mb_getsockopt', 'cgroup/getsockopt'],
  ['mb_getpeername4', 'cgroup/getpeername4'],
  ['mb_getpeername6', 'cgroup/getpeername6'],
  ['mb_connect6', 'cgroup/connect6'],
  ['mb_connect4', 'cgroup/connect4'],
]);

/** Hooks whose programs answer for a connection or watch it, and do not choose where it goes. */
const SERVICE_HOOKS =
  /^(cgroup\/(get(peer|sock)name[46]|[gs]etsockopt|recvmsg[46]|sock_release)|cgroup_skb\/(in|e)gress|sockops)$/;

/**
 * Whether a program of a later version, of which nothing is known but its hook, is a service: detached after the
 * entrances, when what they redirected has found its way. Any other one may redirect, so it is detached first.
 */
export function isServiceHook(attachType: AttachTypeName | undefined): boolean {
  return attachType !== undefined && SERVICE_HOOKS.test(attachType);
}

/**
 * Two programs do the same for messages; the first names a function that older kernels refuse, see bpf/include/read.h.
 */
export const MESSAGE_PROGRAMS = ['mb_redirect_msg', 'mb_redirect_msg_by_calls'] as const;

/** The one of them for this kernel. It is attached to `sock_pair_map`, after the gate. */
export function messageProgram(): string {
  return MESSAGE_PROGRAMS[kernelAtLeast('6.2') ? 0 : 1];
}
