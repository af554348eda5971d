import { shown } from '../../errors';
import { assertInteger, isRecord } from '../../checks';
import { mbEventKind } from '../abi/enums';

/** Maximum number of events that the programs send per second, for each kind. 0 means none. */
export interface EventRates {
  /** An enrolled pod dials a connection. */
  readonly connection: number;
  /** A sidecar calls its own pod. */
  readonly selfCall: number;
  /** An operation was refused or failed. */
  readonly dropped: number;
  /** `sock_pair_map` is nearly full. */
  readonly mapPressure: number;
}

/**
 * Which events the programs send. For each kind: `true` or `false`, or its maximum number per second, 0 to 1,000,000. A
 * kind that is left out is on.
 */
export interface EventOptions extends Partial<Record<keyof EventRates, boolean | number | undefined>> {
  /**
   * Maximum per second for each kind that does not set its own number, 1 to 1,000,000. Default: 100. Pods share it
   * equally. In a second in which many pods begin to have events of a kind, up to three times as many are sent.
   */
  readonly perSecond?: number | undefined;
}

/** This does not compile if the kinds of the programs differ from the members of {@link EventRates}. */
const KINDS: readonly (keyof EventRates)[] = Object.keys(
  mbEventKind satisfies Record<keyof EventRates, number>,
) as (keyof typeof mbEventKind)[];
const DEFAULT_RATE = 100;
const MAX_RATE = 1_000_000;

/**
 * Fills in the defaults. A kind that is left out is on; `true` means all kinds.
 *
 * @internal
 * @param events - the option `events`
 * @returns the rate of each kind
 * @throws TypeError if a kind is unknown, or a value has the wrong type
 * @throws RangeError if a number is out of range
 */
export function resolveEvents(events: boolean | EventOptions): EventRates {
  if (typeof events === 'boolean') return rates(() => (events ? DEFAULT_RATE : 0));
  const given: unknown = events;
  if (!isRecord(given)) throw new TypeError(`events must be true, false or an object, not ${shown(events)}`);
  const { perSecond = DEFAULT_RATE, ...kinds } = events;
  assertRate('perSecond', perSecond, 1);
  const extra = Object.keys(kinds).find(kind => !Object.hasOwn(mbEventKind, kind));
  if (extra !== undefined) throw new TypeError(`events: unknown kind '${shown(extra)}'; there is ${KINDS.join(', ')}`);
  return rates(kind => {
    const rate = kinds[kind] ?? true;
    if (typeof rate === 'boolean') return rate ? perSecond : 0;
    assertRate(kind, rate, 0);
    return rate;
  });
}

/**
 * Orders the rates by the number of their kind, as the programs store them.
 *
 * @internal
 * @param rates - the rate of each kind
 * @returns the rates by the numbers of `enum mb_event_kind`
 */
export function ratesByNumber(rates: EventRates): number[] {
  const byNumber = KINDS.map(() => 0);
  for (const kind of KINDS) byNumber[mbEventKind[kind]] = rates[kind];
  return byNumber;
}

function rates(of: (kind: keyof EventRates) => number): EventRates {
  return Object.freeze(Object.fromEntries(KINDS.map(kind => [kind, of(kind)]))) as unknown as EventRates;
}

function assertRate(name: string, value: unknown, min: number): void {
  if (typeof value !== 'number')
    throw new TypeError(`events: ${name} must be a number of events a second, not ${typeof value}`);
  assertInteger(value, min, MAX_RATE, `events: ${name}`);
}
