import { kernelAtLeast, type AttachTypeName } from '../../bpf';

/**
 * What is attached together, and detached together. The stages are attached in the order of {@link STAGES} and detached
 * in the reverse order.
 *
 * - `'gate'`: protects accelerated sockets, so it is around everything else. The program that decides about messages is
 *   attached to `sock_pair_map` right after it.
 * - `'services'`: answer for connections that were redirected. They are there before the first connection is
 *   redirected, and until the last one has reached its sidecar.
 * - `'entrances'`: redirect.
 */
export type Stage = 'gate' | 'services' | 'entrances';

/** In the order of attachment. */
export const STAGES: readonly Stage[] = ['gate', 'services', 'entrances'];

/** Where a program is attached, and when. */
export interface Hook {
  readonly stage: Stage;
  readonly attachType: AttachTypeName;
}

/** All programs that are attached to the cgroup, by name. Those of one stage are attached in this order. */
export const HOOKS: ReadonlyMap<string, Hook> = new Map<string, Hook>([
  ['mb_ingress', { stage: 'gate', attachType: 'cgroup_skb/ingress' }],
  ['mb_sockops', { stage: 'services', attachType: 'sockops' }],
  ['mb_getsockopt', { stage: 'services', attachType: 'cgroup/getsockopt' }],
  ['mb_getpeername4', { stage: 'services', attachType: 'cgroup/getpeername4' }],
  ['mb_getpeername6', { stage: 'services', attachType: 'cgroup/getpeername6' }],
  ['mb_connect6', { stage: 'entrances', attachType: 'cgroup/connect6' }],
  ['mb_connect4', { stage: 'entrances', attachType: 'cgroup/connect4' }],
]);

/** By this program an accelerator recognizes itself among all that are attached. */
export const MARK = 'mb_connect4';

/** Names of the programs of a stage, in the order of attachment. */
export function programsOf(stage: Stage): string[] {
  return [...HOOKS].flatMap(([name, hook]) => (hook.stage === stage ? [name] : []));
}

/** Hooks whose programs answer for a connection or watch it, and do not choose where it goes. */
const SERVICE_HOOKS =
  /^(cgroup\/(get(peer|sock)name[46]|[gs]etsockopt|recvmsg[46]|sock_release)|cgroup_skb\/(in|e)gress|sockops)$/;

/**
 * The stage of a program of a later version, of which nothing is known but its hook. What may redirect is an entrance:
 * it is detached first.
 */
export function stageOfUnknown(attachType: AttachTypeName | undefined): 'services' | 'entrances' {
  return attachType !== undefined && SERVICE_HOOKS.test(attachType) ? 'services' : 'entrances';
}

/**
 * Two programs do the same for messages; the first names a function that older kernels refuse, see bpf/lib/read.h.
 */
export const MESSAGE_PROGRAMS = ['mb_redirect_msg', 'mb_redirect_msg_by_calls'] as const;

/** The one of them for this kernel. It is attached to `sock_pair_map`, after the gate. */
export function messageProgram(): string {
  return MESSAGE_PROGRAMS[kernelAtLeast('6.2') ? 0 : 1];
}
