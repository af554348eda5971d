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
 * Events that come from the programs, and from the maps. The first three, and pressure of `sock_pair_map`, only where
 * `events` asks for them.
 */
export interface ReportedEvents {
  /** A pod dials, and it was decided where the connection goes. */
  connection: (event: ConnectionEvent) => void;
  /** A sidecar calls its own pod, and is sent to its own inbound port, as under the mesh's own rules. */
  selfCall: (event: ConnectionEvent) => void;
  /** Something was refused, or could not be done. */
  dropped: (event: DroppedEvent) => void;
  /**
   * A map fills up. Of `local_pod_ips` and of the maps of rules this comes whatever `events` says: user space writes
   * them.
   */
  mapPressure: (event: MapPressureEvent) => void;
}

/** Emits one of them. @internal */
export type Tell = <N extends keyof ReportedEvents>(name: N, event: Parameters<ReportedEvents[N]>[0]) => void;

/**
 * Switches what the programs report, and passes it on. While everything is off, nothing is mapped and nothing is waited
 * for. The ring is closed with its map.
 *
 * @internal
 */
export class MeshEventStream {
  readonly #ring: RingBuffer<EventRecord>;
  readonly #podPressure: MapPressure;
  #rulePressure: readonly MapPressure[] = [];
  readonly #maxSockets: number;
  #rates: EventRates = resolveEvents(false);
  /** What was told before the caller had the object, and could listen. */
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

  /** The caller has the object as soon as what runs now has ended. */
  begin(): void {
    setImmediate(() => {
      const early = this.#early ?? [];
      this.#early = undefined;
      for (const tell of early) tell();
    });
  }

  /** How many of each kind a second at most. */
  get rates(): EventRates {
    return this.#rates;
  }

  /** Reports from now on what the options say. */
  set(options: boolean | EventOptions): void {
    const rates = resolveEvents(options);
    const events = ratesByNumber(rates);
    const on = events.some(rate => rate > 0);
    // The reader first, and it goes last: what is sent finds somebody.
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

  /** Watches the maps of rules, too. What they hold already is told at once. */
  watchRules(pods: Pick<LocalPodIps, 'ruleFill'>): void {
    this.#rulePressure = pods.ruleFill().map(({ map, maxEntries }, i) => {
      const count = (): number => pods.ruleFill()[i]?.entries ?? 0;
      return new MapPressure(map, maxEntries, count, event => this.#tell('mapPressure', event));
    });
  }

  /** Pods were written or deleted, and their rules with them. */
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
