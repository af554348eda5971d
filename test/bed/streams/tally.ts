/**
 * What can happen to a stream: bytes missing, late, twice, bytes that were never sent there, and no end within the time
 * limit.
 */
export const DAMAGES = ['lost', 'reordered', 'doubled', 'wrong', 'hung'] as const;
export type Damage = (typeof DAMAGES)[number];

/** A stream that went wrong, as the end reports it that saw it. */
export interface BadStream {
  readonly damage: Damage;
  readonly family: string;
  readonly kind: string;
  readonly role: 'client' | 'server';
  /** Number of the stream within its family and seed; undefined where not even its header arrived. */
  readonly index?: number;
  readonly arrived?: number;
  readonly of?: number;
  readonly wrongAt?: number;
  readonly error?: string | null;
}

/** The outcome of some streams: how many connections there were, and those that went wrong, each once. */
export class Tally {
  streams = 0;
  /** Reads that ended with EAGAIN for nothing, where that is a documented hazard. */
  again = 0;
  /** Connections of readers that changed from the psock to the stack. */
  crossed = 0;
  readonly bad: BadStream[] = [];

  add(other: Tally): this {
    this.streams += other.streams;
    this.again += other.again;
    this.crossed += other.crossed;
    this.bad.push(...other.bad);
    return this;
  }

  count(damage: Damage): number {
    return this.bad.filter(stream => stream.damage === damage).length;
  }
}

/** How much a report says: when one end found the damage and gave up, the other only sees that the rest is missing. */
const WEIGHT: Readonly<Record<Damage, number>> = { reordered: 4, doubled: 3, wrong: 2, hung: 1, lost: 0 };

/** One report for each stream, of the two that its ends may have made. */
export function distinct(reports: readonly BadStream[]): BadStream[] {
  const streams = new Map<string, BadStream>();
  reports.forEach((report, serial) => {
    const key = report.index === undefined ? `unknown ${serial}` : `${report.family} ${report.index}`;
    const known = streams.get(key);
    if (!known || WEIGHT[report.damage] > WEIGHT[known.damage]) streams.set(key, report);
  });
  return [...streams.values()];
}
