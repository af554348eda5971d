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
  readonly samples: { readonly [N in keyof MeshCounters]?: Readonly<Record<string, string>> };
}

const counter = (name: string, help: string, samples: CounterFamily['samples']): CounterFamily => ({
  name,
  type: 'counter',
  help,
  samples,
});

/**
 * Every counter of `MeshCounters` is in one of these families.
 *
 * @internal
 */
export const COUNTER_FAMILIES: readonly CounterFamily[] = [
  counter('merbridge_connections_total', 'Connections that enrolled pods opened, by direction and verdict.', {
    outbound: { direction: 'outbound', verdict: 'redirected' },
    inbound: { direction: 'inbound', verdict: 'redirected' },
    leftAlone: { direction: 'none', verdict: 'left_alone' },
  }),
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
    'TCP segments held back: until the receiver had read the bytes redirected before, or to avoid waking a blocking recv without data.',
    { heldSegments: {} },
  ),
  counter(
    'merbridge_sockets_total',
    'Sockets that entered sock_pair_map, left it before they were closed, or were refused by it.',
    {
      sockets: { result: 'entered' },
      socketsLeft: { result: 'left' },
      socketErrors: { result: 'refused' },
    },
  ),
  counter(
    'merbridge_hook_errors_total',
    'Times that a hook failed, or prevented a sidecar from connecting to itself.',
    { hookErrors: {} },
  ),
  counter(
    'merbridge_unknown_origins_total',
    'Connections that a sidecar accepted, but whose original destination was not found.',
    { unknownOrigins: {} },
  ),
  counter(
    'merbridge_events_total',
    'Events of the programs: sent, dropped by the rate limit, or lost because the reader was too slow.',
    {
      events: { result: 'sent' },
      eventsLimited: { result: 'limited' },
      eventsLost: { result: 'lost' },
    },
  ),
];
