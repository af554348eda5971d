import type { MeshCounters } from '../mesh';

/** Types of the families. */
export type FamilyType = 'counter' | 'gauge';

/** One value of a family. */
export interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** Name, type and description of a family. */
export interface FamilyHead {
  readonly name: string;
  readonly type: FamilyType;
  readonly help: string;
}

/** A family of counters of the programs, with the labels for each counter. */
export interface CounterFamily extends FamilyHead {
  readonly samples: { readonly [N in keyof MeshCounters]?: Sample['labels'] };
}

/** What is counted in each family. */
const HELP = {
  merbridge_connections_total: 'Connections that enrolled pods opened, by direction and verdict.',
  merbridge_redirected_messages_total: 'Messages moved from socket to socket.',
  merbridge_redirected_bytes_total: 'Bytes in the messages moved from socket to socket.',
  merbridge_passed_messages_total: 'Messages of accelerated sockets left to the TCP stack, by reason.',
  merbridge_held_segments_total:
    'TCP segments held back: until the receiver had read the bytes redirected before, or to avoid waking a blocking recv without data.',
  merbridge_sockets_total:
    'Sockets that entered sock_pair_map, left it before they were closed, or were refused by it.',
  merbridge_hook_errors_total: 'Times that a hook failed, or prevented a sidecar from connecting to itself.',
  merbridge_unknown_original_destinations_total:
    'Connections that a sidecar accepted, but whose original destination was not found.',
  merbridge_events_total:
    'Events of the programs: sent, dropped by the rate limit, or lost because the reader was too slow.',
};

/** The family and the labels of each counter. One that is missing here does not compile. */
const SAMPLES: Readonly<Record<keyof MeshCounters, readonly [family: keyof typeof HELP, labels: Sample['labels']]>> = {
  outbound: ['merbridge_connections_total', { direction: 'outbound', verdict: 'redirected' }],
  inbound: ['merbridge_connections_total', { direction: 'inbound', verdict: 'redirected' }],
  leftAlone: ['merbridge_connections_total', { direction: 'none', verdict: 'left_alone' }],
  redirectedMessages: ['merbridge_redirected_messages_total', {}],
  redirectedBytes: ['merbridge_redirected_bytes_total', {}],
  passedScope: ['merbridge_passed_messages_total', { reason: 'scope' }],
  passedNoPeer: ['merbridge_passed_messages_total', { reason: 'no_peer' }],
  passedFirst: ['merbridge_passed_messages_total', { reason: 'first' }],
  passedBacklog: ['merbridge_passed_messages_total', { reason: 'backlog' }],
  passedSwitch: ['merbridge_passed_messages_total', { reason: 'switch' }],
  passedPeerGone: ['merbridge_passed_messages_total', { reason: 'peer_gone' }],
  passedPeerLeft: ['merbridge_passed_messages_total', { reason: 'peer_left' }],
  heldSegments: ['merbridge_held_segments_total', {}],
  sockets: ['merbridge_sockets_total', { result: 'entered' }],
  socketsLeft: ['merbridge_sockets_total', { result: 'left' }],
  socketErrors: ['merbridge_sockets_total', { result: 'refused' }],
  hookErrors: ['merbridge_hook_errors_total', {}],
  unknownOriginalDestinations: ['merbridge_unknown_original_destinations_total', {}],
  events: ['merbridge_events_total', { result: 'sent' }],
  eventsLimited: ['merbridge_events_total', { result: 'limited' }],
  eventsLost: ['merbridge_events_total', { result: 'lost' }],
};

/**
 * Every counter of `MeshCounters` is in one of these families.
 *
 * @internal
 */
export const COUNTER_FAMILIES: readonly CounterFamily[] = Object.entries(HELP).map(([name, help]) => ({
  name,
  type: 'counter',
  help,
  samples: Object.fromEntries(
    Object.entries(SAMPLES).flatMap(([counter, [family, labels]]) => (family === name ? [[counter, labels]] : [])),
  ),
}));
