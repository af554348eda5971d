import { errnoName } from '../../errors';
import type { CodecValue } from '../../codec';
import { mbDropReason, mbHop } from '../abi/enums';
import type { mbEvent } from '../abi/structs';
import type { Endpoint } from '../maps/quadruple';

/** Members that all events of the programs have. */
export interface ReportedEvent {
  /** Time of the event in nanoseconds, on the clock of `process.hrtime.bigint()` (CLOCK_MONOTONIC). */
  readonly time: bigint;
  /**
   * Number of events of this kind that were dropped since the previous one, because they exceeded the rate limit or the
   * ring buffer was full.
   */
  readonly missed: number;
}

/**
 * Which hop of the mesh a connection is.
 *
 * - `'none'`: no hop of the mesh.
 * - `'outbound'`: from an application to its own sidecar.
 * - `'inbound'`: from a sidecar to the sidecar of a pod.
 * - `'delivery'`: from a sidecar to its own application.
 * - `'loop'`: a sidecar dialled itself.
 * - `'direct'`: from an application past its own sidecar to the sidecar of another pod.
 */
export type Hop = 'none' | 'outbound' | 'inbound' | 'delivery' | 'loop' | 'direct';

/** An enrolled pod dials a connection. */
export interface ConnectionEvent extends ReportedEvent {
  /** IP address of the pod that dials. */
  readonly pod: string;
  /** Which hop it is. */
  readonly hop: Hop;
  /** Whether the connection is redirected to a sidecar or keeps its destination. */
  readonly verdict: 'redirected' | 'leftAlone';
  /** The original destination that was dialled. A sidecar reads it with SO_ORIGINAL_DST. */
  readonly destination: Endpoint;
  /** Where the connection actually goes. Equal to `destination` if the connection is not redirected. */
  readonly target: Endpoint;
  /** The client address that the other end sees. `undefined` if the kernel chooses it by its routes. */
  readonly client: string | undefined;
  /** Cookie of the dialling socket (SO_COOKIE). */
  readonly cookie: bigint;
  /** Cookie of its network namespace (SO_NETNS_COOKIE). */
  readonly netns: bigint;
  /** Id of the process that dials, in the initial pid namespace. */
  readonly pid: number;
}

/**
 * Why an operation was refused or failed.
 *
 * - `'loop'`: a sidecar dialled itself. Its connect(2) failed with EPERM.
 * - `'unknownOriginalDestination'`: a sidecar accepted a connection of this node whose original destination is unknown.
 * - `'noMemory'`: the socket could not get local storage. The connection kept its old path.
 * - `'noSource'`: the socket could not be bound to the pod's address. The connection kept its old path.
 * - `'noEntry'`: no entry could be added to `pair_original_dst`.
 * - `'mapFull'`: `sock_pair_map` is full. The socket stays on the TCP stack.
 * - `'socket'`: the kernel does not accept this kind of socket in `sock_pair_map` (`error` says why). The socket stays
 *   on the TCP stack.
 */
export type DropReason =
  'loop' | 'unknownOriginalDestination' | 'noMemory' | 'noSource' | 'noEntry' | 'mapFull' | 'socket';

/** An operation of the programs was refused or failed. */
export interface DroppedEvent extends ReportedEvent {
  /** Why. */
  readonly reason: DropReason;
  /** IP address of the pod that the socket belongs to. */
  readonly pod: string;
  /** Which hop it is. */
  readonly hop: Hop;
  /** The original destination, if it is known. It is not known on the accepting side. */
  readonly destination: Endpoint | undefined;
  /** On the accepting side, the local end of the socket. Otherwise, where the connection goes. */
  readonly target: Endpoint;
  /** Address of the other end, on the accepting side. */
  readonly client: string | undefined;
  /** Cookie of the socket (SO_COOKIE). */
  readonly cookie: bigint;
  /** Cookie of its network namespace (SO_NETNS_COOKIE). */
  readonly netns: bigint;
  /** Id of the process that dialled. 0 if there is none. */
  readonly pid: number;
  /** Name of the error number that the kernel returned, such as `'EOPNOTSUPP'`. `undefined` if there is none. */
  readonly error: string | undefined;
}

/**
 * A map is nearly full: it holds at least 80 % or 95 % of its maximum number of entries. Each level is reported once.
 * It is reported again after the map was 5 percentage points below it.
 */
export interface MapPressureEvent {
  /** Name of the map. */
  readonly map: string;
  /** Number of entries. */
  readonly entries: number;
  /** Maximum number of entries. */
  readonly maxEntries: number;
  /** The level that was reached: 0.8 or 0.95. */
  readonly level: number;
}

// These do not compile if a type above has a hop or reason that the programs do not have. The functions below do not
// compile in the opposite case.
void (mbHop satisfies Record<Hop, number>);
void (mbDropReason satisfies Record<DropReason, number>);

/** A record of the ring buffer, as the programs wrote it. @internal */
export type EventRecord = CodecValue<typeof mbEvent>;

/** The unspecified address, which no end of a connection has. */
const UNSPECIFIED = '::';

/**
 * Converts a record of the ring buffer.
 *
 * @internal
 * @param record - of kind `connection` or `selfCall`
 * @returns the event
 */
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

/**
 * Converts a record of the ring buffer.
 *
 * @internal
 * @param record - of kind `dropped`
 * @returns the event
 */
export function droppedEvent(record: EventRecord): DroppedEvent {
  const { time, missed, pod, hop, destination, target, cookie, netns, pid, error } = record;
  const reason = record.reason as Exclude<EventRecord['reason'], 'nothing'>; // records of this kind always have a reason
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
