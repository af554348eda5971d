import { RingBuffer } from '../../bpf';
import { EntryCounter } from '../../bpf/internal';
import type { Datapath } from '../datapath/datapath';
import { ratesByNumber, resolveEvents, type EventOptions, type EventRates } from './event-options';
import { mbEvent } from '../abi/structs';
import {
  connectionEvent,
  droppedEvent,
  type ConnectionEvent,
  type DroppedEvent,
  type EventRecord,
  type MapPressureEvent,
} from './event-records';
import type { LocalPodIps } from '../maps/local-pod-ips';
import { alarmsFor, MapPressure, PRESSURE_LEVELS } from './map-pressure';

/**
 * Events about connections and maps. The programs send the first three, and `mapPressure` of `sock_pair_map`, only if
 * the option `events` enables them.
 */
export interface ReportedEvents {
  /**
   * A pod dials a connection, and the programs have decided where it goes.
   *
   * @param event - the connection
   */
  connection: (event: ConnectionEvent) => void;
  /**
   * A sidecar calls its own pod and is redirected to its own inbound port, as by the mesh's own iptables rules.
   *
   * @param event - the connection
   */
  selfCall: (event: ConnectionEvent) => void;
  /**
   * An operation was refused or failed.
   *
   * @param event - what happened, and why
   */
  dropped: (event: DroppedEvent) => void;
  /**
   * A map is nearly full. For `local_pod_ips` and the maps of rules this does not depend on the option `events`,
   * because user space writes them.
   *
   * @param event - the map and its fill level
   */
  mapPressure: (event: MapPressureEvent) => void;
}

/** Emits one of these events. @internal */
export type Tell = <N extends keyof ReportedEvents>(name: N, event: Parameters<ReportedEvents[N]>[0]) => void;

/**
 * Enables events in the programs and emits those that they send. While all events are off, the ring buffer is neither
 * mapped nor polled. The ring buffer is closed together with its map.
 *
 * @internal
 */
export class MeshEventStream {
  readonly #ring: RingBuffer<EventRecord>;
  readonly #podPressure: MapPressure;
  #rulePressure: readonly MapPressure[] = [];
  readonly #maxSockets: number;
  #rates: EventRates = resolveEvents(false);
  /** Events from before the caller had the accelerator and could add listeners. `undefined` once they are emitted. */
  #early: (() => void)[] | undefined = [];

  constructor(
    private readonly datapath: Pick<Datapath, 'map' | 'settings'>,
    private readonly emit: Tell,
  ) {
    this.#ring = RingBuffer.from(datapath.map('mesh_events'), { value: mbEvent }).unref();
    this.#maxSockets = datapath.map('sock_pair_map').maxEntries;
    const pods = datapath.map('local_pod_ips');
    const counter = EntryCounter.from(pods);
    this.#podPressure = new MapPressure(
      pods.name,
      pods.maxEntries,
      () => counter.count(),
      event => this.#tell('mapPressure', event),
    );
  }

  /** Emits the early events in the next turn of the event loop. The caller has the accelerator then. */
  begin(): void {
    setImmediate(() => {
      const early = this.#early ?? [];
      this.#early = undefined;
      for (const tell of early) tell();
    });
  }

  /** Maximum number of events per second for each kind. */
  get rates(): EventRates {
    return this.#rates;
  }

  /**
   * Changes which events are reported from now on.
   *
   * @param options - the option `events`
   * @throws TypeError if a kind is unknown, or a value has the wrong type
   * @throws RangeError if a number is out of range
   */
  set(options: boolean | EventOptions): void {
    const rates = resolveEvents(options);
    const events = ratesByNumber(rates);
    const on = events.some(rate => rate > 0);
    // The reader starts before the programs send events, and stops after them.
    if (on && !this.#ring.active) this.#ring.consume(record => this.#onRecord(record));
    const { alarm, rearm } = alarmsFor(this.#maxSockets);
    const [socketAlarm, socketRearm] =
      rates.mapPressure > 0
        ? [alarm, rearm]
        : [
            [0, 0],
            [0, 0],
          ];
    this.datapath.settings.report({ events, socketAlarm, socketRearm });
    if (!on) this.#ring.stop();
    this.#rates = rates;
  }

  /**
   * Also watches the maps of rules. A level that they have reached already is reported at once.
   *
   * @param pods - gives the fill level of these maps
   */
  watchRules(pods: Pick<LocalPodIps, 'ruleFill'>): void {
    this.#rulePressure = pods.ruleFill().map(({ map, maxEntries }, i) => {
      const count = (): number => pods.ruleFill()[i]?.entries ?? 0;
      return new MapPressure(map, maxEntries, count, event => this.#tell('mapPressure', event));
    });
  }

  /**
   * Call this after pods were written or deleted, together with their rules.
   *
   * @param written - number of pods written
   * @param deleted - number of pods deleted
   */
  podsChanged(written: number, deleted: number): void {
    this.#podPressure.changed(written, deleted);
    for (const pressure of this.#rulePressure) pressure.look();
  }

  #onRecord(record: EventRecord): void {
    switch (record.kind) {
      case 'connection':
      case 'selfCall':
        this.#tell(record.kind, connectionEvent(record));
        break;
      case 'dropped':
        this.#tell('dropped', droppedEvent(record));
        break;
      case 'mapPressure': {
        const level = PRESSURE_LEVELS[record.alarm >= alarmsFor(this.#maxSockets).alarm[1]! ? 1 : 0];
        this.#tell('mapPressure', {
          map: 'sock_pair_map',
          entries: record.entries,
          maxEntries: this.#maxSockets,
          level,
        });
      }
    }
  }

  #tell: Tell = (name, event) => {
    const tell = (): unknown => this.emit(name, event);
    if (this.#early === undefined) tell();
    else this.#early.push(tell);
  };
}
