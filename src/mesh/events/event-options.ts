import { shown } from '../../errors';
import { assertInteger, isRecord } from '../../policy';
import { mbEventKind } from '../abi/enums';

/** How many events of each kind the programs send a second at most; 0: none. */
export interface EventRates {
  /** Connections of enrolled pods, as they are dialled. */
  readonly connection: number;
  /** Sidecars that call their own pod. */
  readonly selfCall: number;
  /** What was refused, or could not be done. */
  readonly dropped: number;
  /** `sock_pair_map` fills up. */
  readonly mapPressure: number;
}

/** Which events the programs send. */
export interface EventOptions extends Partial<Record<keyof EventRates, boolean | number | undefined>> {
  /** Events of each kind a second at most, 1 to 1,000,000, for kinds that do not say their own number. Default 100. */
  readonly perSecond?: number | undefined;
}

/** A kind of the programs without words for it above, or one above that they do not have, does not compile. */
const KINDS: readonly (keyof EventRates)[] = Object.keys(
  mbEventKind satisfies Record<keyof EventRates, number>,
) as (keyof typeof mbEventKind)[];
const DEFAULT_RATE = 100;
const MAX_RATE = 1_000_000;

/**
 * Fills in what is not given. A kind that is not named is on, as all are with `true`.
 *
 * @internal
 * @param events - `true`, `false`, or which
 * @throws TypeError for an unknown kind or a wrong type, RangeError for a number out of range
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

/** As the programs have them: by the number of the kind. @internal */
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
