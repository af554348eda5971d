import { kernelAtLeast, type AttachTypeName } from '../../bpf';

/**
 * A group of programs that are attached together and detached together. Stages are attached in the order of
 * {@link STAGES} and detached in the reverse order.
 *
 * - `'gate'`: the program that protects accelerated sockets. It is attached first and detached last. The sk_msg program
 *   is attached to `sock_pair_map` right after it.
 * - `'services'`: programs that answer for redirected connections. They are attached before the first connection is
 *   redirected, and stay until the last one has reached its sidecar.
 * - `'entrances'`: programs that redirect connections.
 */
export type Stage = 'gate' | 'services' | 'entrances';

/** All stages in the order of attachment. */
export const STAGES: readonly Stage[] = ['gate', 'services', 'entrances'];

/** Where and when a program is attached. */
export interface Hook {
  readonly stage: Stage;
  readonly attachType: AttachTypeName;
}

/** All programs that are attached to the cgroup, by name. Programs of one stage are attached in this order. */
export const HOOKS: ReadonlyMap<string, Hook> = new Map<string, Hook>([
  ['mb_ingress', { stage: 'gate', attachType: 'cgroup_skb/ingress' }],
  ['mb_sockops', { stage: 'services', attachType: 'sockops' }],
  ['mb_getsockopt', { stage: 'services', attachType: 'cgroup/getsockopt' }],
  ['mb_getpeername4', { stage: 'services', attachType: 'cgroup/getpeername4' }],
  ['mb_getpeername6', { stage: 'services', attachType: 'cgroup/getpeername6' }],
  ['mb_connect6', { stage: 'entrances', attachType: 'cgroup/connect6' }],
  ['mb_connect4', { stage: 'entrances', attachType: 'cgroup/connect4' }],
]);

/** The program by which an accelerator recognizes itself among all attached programs. */
export const MARK = 'mb_connect4';

/**
 * Lists the programs of a stage.
 *
 * @param stage - the stage
 * @returns names of the programs in the order of attachment
 */
export function programsOf(stage: Stage): string[] {
  return [...HOOKS].flatMap(([name, hook]) => (hook.stage === stage ? [name] : []));
}

/** Hooks whose programs answer for a connection or observe it, but do not choose its destination. */
const SERVICE_HOOKS =
  /^(cgroup\/(get(peer|sock)name[46]|[gs]etsockopt|recvmsg[46]|sock_release)|cgroup_skb\/(in|e)gress|sockops)$/;

/**
 * Chooses the stage of a program of a later version, of which only the hook is known. A program that may redirect
 * connections is an entrance, so it is detached first.
 *
 * @param attachType - the hook. `undefined` if this version does not know it
 * @returns the stage
 */
export function stageOfUnknown(attachType: AttachTypeName | undefined): 'services' | 'entrances' {
  return attachType !== undefined && SERVICE_HOOKS.test(attachType) ? 'services' : 'entrances';
}

/**
 * The two variants of the sk_msg program. The first one uses a function that older kernels reject; see bpf/lib/read.h.
 */
export const MESSAGE_PROGRAMS = ['mb_redirect_msg', 'mb_redirect_msg_by_calls'] as const;

/**
 * Chooses the variant of the sk_msg program to load first on this kernel. The one that loads is attached to
 * `sock_pair_map` after the gate.
 *
 * @returns name of the program
 */
export function messageProgram(): string {
  return MESSAGE_PROGRAMS[kernelAtLeast('6.2') ? 0 : 1];
}
