import { errnoName } from '../../errors';
import type { CodecValue } from '../../codec';
import { mbDropReason, mbHop } from '../abi/enums';
import type { mbEvent } from '../abi/structs';
import type { Endpoint } from '../maps/quadruple';

/** What every event of the programs says. */
export interface ReportedEvent {
  /** When it happened: nanoseconds of the clock of `process.hrtime.bigint()`. */
  readonly time: bigint;
  /**
   * Events of this kind that were left out since the one before: there were more a second than allowed, or the ring was
   * full.
   */
  readonly missed: number;
}

/**
 * Which hop of the mesh a connection is: from an application to its own sidecar, from a sidecar to the sidecar of a
 * pod, from a sidecar to its own application, a sidecar that dialled itself, from an application past its own sidecar
 * to that of another pod, or none.
 */
export type Hop = 'none' | 'outbound' | 'inbound' | 'delivery' | 'loop' | 'direct';

/** A connection that an enrolled pod dials. */
export interface ConnectionEvent extends ReportedEvent {
  /** IP address of the pod that dials. */
  readonly pod: string;
  /** Which hop it is. */
  readonly hop: Hop;
  /** Whether it goes to a sidecar instead of its destination. */
  readonly verdict: 'redirected' | 'leftAlone';
  /** What was dialled: what a sidecar hears when it asks for SO_ORIGINAL_DST. */
  readonly destination: Endpoint;
  /** Where the connection really goes; the same as the destination if it is left alone. */
  readonly target: Endpoint;
  /** The address that the other end sees as its client; `undefined` if the kernel chooses one by its routes. */
  readonly client: string | undefined;
  /** Cookie of the dialling socket (SO_COOKIE). */
  readonly cookie: bigint;
  /** Cookie of its network namespace (SO_NETNS_COOKIE). */
  readonly netns: bigint;
  /** Process that dials, as the initial pid namespace numbers it. */
  readonly pid: number;
}

/**
 * Why something was refused, or could not be done.
 *
 * - `'loop'`: a sidecar dialled itself, its call failed with EPERM.
 * - `'unknownOriginalDestination'`: a sidecar accepted a connection of this node, but what was dialled is not known.
 * - `'noMemory'`, `'noSource'`: nothing could be kept on the socket; the pod's address could not be bound. The
 *   connection kept its old path.
 * - `'noEntry'`: `pair_original_dst` took no entry.
 * - `'mapFull'`, `'socket'`: `sock_pair_map` is full; the kernel takes no such socket (`error` says why). It stays on
 *   the TCP stack.
 */
export type DropReason =
  'loop' | 'unknownOriginalDestination' | 'noMemory' | 'noSource' | 'noEntry' | 'mapFull' | 'socket';

/** Something was refused, or could not be done. */
export interface DroppedEvent extends ReportedEvent {
  /** What it was. */
  readonly reason: DropReason;
  /** IP address of the pod that the socket belongs to. */
  readonly pod: string;
  /** Which hop it is. */
  readonly hop: Hop;
  /** What was dialled, as far as it is known: not on the accepting side. */
  readonly destination: Endpoint | undefined;
  /** On the accepting side the end that accepted; otherwise where the connection goes. */
  readonly target: Endpoint;
  /** The other end's address, on the accepting side. */
  readonly client: string | undefined;
  /** Cookie of the socket (SO_COOKIE). */
  readonly cookie: bigint;
  /** Cookie of its network namespace (SO_NETNS_COOKIE). */
  readonly netns: bigint;
  /** Process that dialled; 0 where none did. */
  readonly pid: number;
  /** Name of the kernel's error number, such as `'EOPNOTSUPP'`, where it gave one. */
  readonly error: string | undefined;
}

/**
 * A map fills up: it holds more than 80 or 95 % of its entries. Told once, and again after it was 5 points below that.
 */
export interface MapPressureEvent {
  /** Name of the map. */
  readonly map: string;
  /** How many entries it holds. */
  readonly entries: number;
  /** How many it can hold. */
  readonly maxEntries: number;
  /** The share that was reached: 0.8 or 0.95. */
  readonly level: number;
}

// A hop or reason that the programs do not have does not compile here, and one without words above does not where a
// record becomes an event.
void (mbHop satisfies Record<Hop, number>);
void (mbDropReason satisfies Record<DropReason, number>);

/** A record as the programs wrote it. @internal */
export type EventRecord = CodecValue<typeof mbEvent>;

/** The address that no end has. */
const UNSPECIFIED = '::';

/** @internal */
export function connectionEvent(record: EventRecord): ConnectionEvent {
  const { time, missed, pod, destination, target, cookie, netns, pid } = record;
  return {
    time,
    missed,
    pod,
    hop: record.hop,
    verdict: record.redirected === 0 ? 'leftAlone' : 'redirected',
    destination,
    target,
    client: addressOf(record),
    cookie,
    netns,
    pid,
  };
}

/** @internal */
export function droppedEvent(record: EventRecord): DroppedEvent {
  const { time, missed, pod, hop, destination, target, cookie, netns, pid, error } = record;
  const reason = record.reason as Exclude<EventRecord['reason'], 'nothing'>; // only other kinds have none
  return {
    time,
    missed,
    reason,
    pod,
    hop,
    destination: destination.port === 0 ? undefined : destination,
    target,
    client: addressOf(record),
    cookie,
    netns,
    pid,
    error: error === 0 ? undefined : errnoName(error),
  };
}

function addressOf({ client }: EventRecord): string | undefined {
  return client === UNSPECIFIED ? undefined : client;
}
