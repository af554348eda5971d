import { BpfPerCpuArrayMap } from '../../bpf';
import { u64 } from '../../codec';
import { mbCounter } from '../abi/enums';
import type { MapsByName } from './maps-by-name';

/**
 * Counters of the programs since they were loaded. The numbers are `bigint`. `JSON.stringify` writes each as a string
 * of decimal digits, because a JSON number loses precision beyond 2^53.
 */
export interface MeshCounters {
  /** Connections redirected to the outbound port of their own sidecar. */
  readonly outbound: bigint;
  /** Connections redirected to the inbound port of a pod's sidecar. */
  readonly inbound: bigint;
  /** Connections of enrolled pods that kept their destination. */
  readonly leftAlone: bigint;
  /**
   * Hooks that failed, so that the connection kept its old path; and sidecars that were prevented from dialling
   * themselves.
   */
  readonly hookErrors: bigint;
  /** Sockets that entered `sock_pair_map`. */
  readonly sockets: bigint;
  /**
   * Sockets that could not enter `sock_pair_map`, because the map is full or the kernel refuses that kind of socket.
   * They stay on the TCP stack.
   */
  readonly socketErrors: bigint;
  /** Messages that were moved from socket to socket. */
  readonly redirectedMessages: bigint;
  /** Bytes in these messages. TCP_INFO, and every tool that reads it, does not count them. */
  readonly redirectedBytes: bigint;
  /**
   * Messages passed to the TCP stack because a pod's scope excludes their connection, or because the process that
   * attached the programs is gone. After a message that is passed for this or any other reason except `passedFirst`,
   * both sockets leave `sock_pair_map`: the connection is plain TCP until it ends, and later messages are not counted.
   */
  readonly passedScope: bigint;
  /** Messages passed to the TCP stack because the other end is not known yet, or is not accelerated. */
  readonly passedNoPeer: bigint;
  /**
   * First messages to a sidecar. They take the TCP stack until the sidecar has read them. Their connection stays
   * accelerated.
   */
  readonly passedFirst: bigint;
  /**
   * Messages passed to the TCP stack because the receiver holds more than the backlog limit, because an application
   * sent more than 64 KiB before its sidecar had read anything, or because socket memory is short.
   */
  readonly passedBacklog: bigint;
  /**
   * TCP segments held back until their receiver has read the data that was redirected before them, and acknowledgements
   * of a FIN that would wake a blocking `recv` without data. TCP retransmits them.
   */
  readonly heldSegments: bigint;
  /** Messages passed to the TCP stack because acceleration is `'off'` for all pods. */
  readonly passedSwitch: bigint;
  /** Messages passed to the TCP stack because the other end was closed. */
  readonly passedPeerGone: bigint;
  /**
   * Connections of this node whose original destination a sidecar asked for, but neither the programs nor connection
   * tracking knew. Either netfilter changed their source port or address on the way, or they were being set up when the
   * programs were attached. If connection tracking says that the sidecar itself was dialled, SO_ORIGINAL_DST fails with
   * EPERM. Each of these connections failed.
   */
  readonly unknownOriginalDestinations: bigint;
  /** Events that the programs sent. */
  readonly events: bigint;
  /** Events that were dropped because they exceeded the rate limit of the option `events`. */
  readonly eventsLimited: bigint;
  /** Events that were dropped because the ring buffer was full: the reader was too slow. */
  readonly eventsLost: bigint;
  /** Messages passed to the TCP stack because the other end has left `sock_pair_map`. */
  readonly passedPeerLeft: bigint;
  /** Sockets that left `sock_pair_map` before they were closed, and continued as plain TCP. */
  readonly socketsLeft: bigint;
}

/** This does not compile if the counters of the programs differ from the members of {@link MeshCounters}. */
const names: readonly (keyof MeshCounters)[] = Object.keys(
  mbCounter satisfies Record<keyof MeshCounters, number>,
) as (keyof typeof mbCounter)[];

/**
 * Reads `mesh_counters`.
 *
 * @internal
 */
export class CounterReader {
  readonly #map: BpfPerCpuArrayMap<bigint>;

  constructor(object: MapsByName) {
    this.#map = BpfPerCpuArrayMap.from(object.map('mesh_counters'), { value: u64 });
  }

  /**
   * Reads the counters.
   *
   * @returns the sums over all CPUs
   */
  read(): MeshCounters {
    return byName(name => this.#perCpu(name).reduce((total, n) => total + n, 0n));
  }

  /**
   * Reads the counters of each CPU.
   *
   * @returns one element for each possible CPU, indexed by its number
   */
  readPerCpu(): MeshCounters[] {
    const all = new Map(names.map(name => [name, this.#perCpu(name)]));
    return (all.get(names[0]!) ?? []).map((_, cpu) => byName(name => all.get(name)?.[cpu] ?? 0n));
  }

  #perCpu(name: keyof MeshCounters): readonly bigint[] {
    return this.#map.get(mbCounter[name]) ?? [];
  }
}

function byName(value: (name: keyof MeshCounters) => bigint): MeshCounters {
  const counters = Object.fromEntries(names.map(name => [name, value(name)]));
  // Not enumerable, so that a spread copy and a comparison contain only counters.
  Object.defineProperty(counters, 'toJSON', {
    value: () => Object.fromEntries(names.map(name => [name, String(counters[name])])),
  });
  return counters as unknown as MeshCounters;
}
