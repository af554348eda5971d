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
  readonly samples: { readonly [N in keyof MeshCounters]?: Readonly<Record<string, string>> };
}

const counter = (name: string, help: string, samples: CounterFamily['samples']): CounterFamily => ({
  name,
  type: 'counter',
  help,
  samples,
});

/**
 * Every counter of `MeshCounters` is in one of these.
 *
 * @internal
 */
export const COUNTER_FAMILIES: readonly CounterFamily[] = [
  counter(
    'merbridge_connections_total',
    'Connections that enrolled pods dialled, by where they were sent and what was decided.',
    {
      outbound: { direction: 'outbound', verdict: 'redirected' },
      inbound: { direction: 'inbound', verdict: 'redirected' },
      leftAlone: { direction: 'none', verdict: 'left_alone' },
    },
  ),
  counter('merbridge_redirected_messages_total', 'Messages moved from socket to socket.', { redirectedMessages: {} }),
  counter('merbridge_redirected_bytes_total', 'Bytes in the messages moved from socket to socket.', {
    redirectedBytes: {},
  }),
  counter('merbridge_passed_messages_total', 'Messages of accelerated sockets left to the TCP stack, by reason.', {
    passedScope: { reason: 'scope' },
    passedNoPeer: { reason: 'no_peer' },
    passedFirst: { reason: 'first' },
    passedBacklog: { reason: 'backlog' },
    passedSwitch: { reason: 'switch' },
    passedPeerGone: { reason: 'peer_gone' },
    passedPeerLeft: { reason: 'peer_left' },
  }),
  counter(
    'merbridge_held_segments_total',
    'TCP segments held back: until their receiver had read what was redirected before, or because they would have woken a blocking recv for nothing.',
    { heldSegments: {} },
  ),
  counter(
    'merbridge_sockets_total',
    'Sockets that entered sock_pair_map, those that left it before they were closed, and those that it refused.',
    {
      sockets: { result: 'entered' },
      socketsLeft: { result: 'left' },
      socketErrors: { result: 'refused' },
    },
  ),
  counter(
    'merbridge_hook_errors_total',
    'Times that a hook could not do its work, or kept a sidecar from dialling itself.',
    { hookErrors: {} },
  ),
  counter(
    'merbridge_unknown_origins_total',
    'Connections that a sidecar accepted, but whose destination was not found.',
    { unknownOrigins: {} },
  ),
  counter(
    'merbridge_events_total',
    'Events of the programs: sent, over the rate, or lost because nobody took them fast enough.',
    {
      events: { result: 'sent' },
      eventsLimited: { result: 'limited' },
      eventsLost: { result: 'lost' },
    },
  ),
];
