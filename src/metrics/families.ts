import type { MeshCounters } from '../mesh';

/** The kinds of families that are used here. */
export type FamilyType = 'counter' | 'gauge';

/** One value of a family. */
export interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** Name and meaning of a family. */
export interface FamilyHead {
  readonly name: string;
  readonly type: FamilyType;
  readonly help: string;
}

/** A family of the counters of the programs: for each counter its labels. */
export interface CounterFamily extends FamilyHead {
  readonly samples: { readonly [N in keyof MeshCounters]?: Sample['labels'] };
}

/** What is counted in each family. */
const HELP = {
  merbridge_connections_total: 'Connections that enrolled pods dialled, by where they were sent and what was decided.',
  merbridge_redirected_messages_total: 'Messages moved from socket to socket.',
  merbridge_redirected_bytes_total: 'Bytes in the messages moved from socket to socket.',
  merbridge_passed_messages_total: 'Messages of accelerated sockets left to the TCP stack, by reason.',
  merbridge_held_segments_total:
    'TCP segments held back: until their receiver had read what was redirected before, or because they would have woken a blocking recv for nothing.',
  merbridge_sockets_total:
    'Sockets that entered sock_pair_map, those that left it before they were closed, and those that it refused.',
  merbridge_hook_errors_total: 'Times that a hook could not do its work, or kept a sidecar from dialling itself.',
  merbridge_unknown_original_destinations_total:
    'Connections that a sidecar accepted, but whose destination was not found.',
  merbridge_events_total: 'Events of the programs: sent, over the rate, or lost because nobody took them fast enough.',
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
 * Every counter of `MeshCounters` is in one of these.
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
