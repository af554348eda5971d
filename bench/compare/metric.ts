import type { Way } from './modes';

/** What is measured. */
export const metrics = {
  qps: { label: 'requests/s', better: 'higher', digits: 0 },
  p50: { label: 'latency p50, ms', better: 'lower', digits: 3 },
  p99: { label: 'latency p99, ms', better: 'lower', digits: 3 },
  cpu: { label: 'CPU seconds of the pods for 1,000 requests', better: 'lower', digits: 4 },
  pingPong: { label: 'TCP ping-pong of 64 bytes, one way p50, µs', better: 'lower', digits: 2 },
  rate: { label: 'new connections/s, 16 at one time', better: 'higher', digits: 0 },
  bulk: { label: 'one bulk stream, Gbit/s', better: 'higher', digits: 2 },
} as const satisfies Record<
  string,
  { readonly label: string; readonly better: 'higher' | 'lower'; readonly digits: number }
>;

export type Metric = keyof typeof metrics;

/** One figure of one measurement, or the mean of a round's. */
export interface Measurement {
  readonly metric: Metric;
  /** Connections at one time; undefined where that is no question. */
  readonly connections: number | undefined;
  readonly value: number;
}

/** One point of a run: what each way reached in each round. */
export interface Point {
  readonly metric: Metric;
  readonly connections: number | undefined;
  readonly values: Readonly<Record<Way, readonly number[]>>;
}
