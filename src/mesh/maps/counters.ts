import { BpfPerCpuArrayMap } from '../../bpf';
import { u64 } from '../../codec';
import { mbCounter } from '../abi/enums';
import type { MapsByName } from './maps-by-name';

/**
 * What the programs counted since they were loaded. The numbers are `bigint`; `JSON.stringify` writes each as a string
 * of decimal digits, because a number of JSON loses precision beyond 2^53.
 */
export interface MeshCounters {
  /** Connections sent to the outbound port of their own sidecar. */
  readonly outbound: bigint;
  /** Connections sent to the inbound port of a pod's sidecar. */
  readonly inbound: bigint;
  /** Connections of enrolled pods that kept their destination. */
  readonly leftAlone: bigint;
  /** A hook could not do its work, and the connection kept its old path; or a sidecar was kept from dialling itself. */
  readonly hookErrors: bigint;
  /** Sockets that entered `sock_pair_map`. */
  readonly sockets: bigint;
  /**
   * Sockets that could not enter it: the map is full, or the kernel refuses that kind of socket. They stay on the TCP
   * stack.
   */
  readonly socketErrors: bigint;
  /** Messages moved from socket to socket. */
  readonly redirectedMessages: bigint;
  /** Bytes in these messages. TCP_INFO and every tool that reads it do not see them. */
  readonly redirectedBytes: bigint;
  /**
   * Messages left to the TCP stack because a pod's scope excludes their connection, or because the process that
   * attached it all is gone. After such a message, and after those of all other reasons but `passedFirst`, both sockets
   * leave `sock_pair_map`: the connection is plain TCP to its end, and later messages are not counted.
   */
  readonly passedScope: bigint;
  /** Messages left to the TCP stack because the other end is not known yet, or is not accelerated. */
  readonly passedNoPeer: bigint;
  /**
   * First messages to a sidecar, which take the TCP stack until the sidecar has read them. Their connection stays
   * accelerated.
   */
  readonly passedFirst: bigint;
  /**
   * Messages left to the TCP stack because the receiver holds more than the backlog limit, because an application sent
   * more than 64 KiB before its sidecar had read anything, or because memory for sockets is short.
   */
  readonly passedBacklog: bigint;
  /**
   * TCP segments held back until their receiver has read what was redirected before them, and acknowledgements of a FIN
   * that would wake a blocking `recv` for nothing. TCP sends them again.
   */
  readonly heldSegments: bigint;
  /** Messages left to the TCP stack because acceleration is `'off'` for all. */
  readonly passedSwitch: bigint;
  /** Messages left to the TCP stack because the other end was closed. */
  readonly passedPeerGone: bigint;
  /**
   * Connections of this node of which a sidecar asked what was dialled, and neither the programs nor connection
   * tracking knew: on the way netfilter gave them another source port or address, or they were being set up when the
   * programs were attached. Where connection tracking says that the sidecar itself was dialled, SO_ORIGINAL_DST fails
   * with EPERM. Each is a connection that failed.
   */
  readonly unknownOriginalDestinations: bigint;
  /** Events that the programs sent. */
  readonly events: bigint;
  /** Events that were left out because more of their kind came in one second than `events` allows. */
  readonly eventsLimited: bigint;
  /** Events that were left out because nobody took those before fast enough. */
  readonly eventsLost: bigint;
  /** Messages left to the TCP stack because the other end has left `sock_pair_map`. */
  readonly passedPeerLeft: bigint;
  /** Sockets that left `sock_pair_map` before they were closed, and went on as plain TCP. */
  readonly socketsLeft: bigint;
}

/** A counter of the programs without words for it above, or one above that they do not have, does not compile. */
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

  /** Summed over all CPUs. */
  read(): MeshCounters {
    return byName(name => this.#perCpu(name).reduce((total, n) => total + n, 0n));
  }

  /** One for each possible CPU, by its number. */
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
  // Not enumerable: a copy by spread, and a comparison, see counters alone.
  Object.defineProperty(counters, 'toJSON', {
    value: () => Object.fromEntries(names.map(name => [name, String(counters[name])])),
  });
  return counters as unknown as MeshCounters;
}
