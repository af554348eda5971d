import type { Way } from '../bed';

/** A difference from iptables that is known and has a reason. */
export interface WantedDifference {
  readonly request: string;
  readonly ways: readonly Way[];
  /** How the request goes, as the table says it. */
  readonly instead: string;
  readonly reason: string;
}

export const WANTED: readonly WantedDifference[] = [
  {
    request: 'plain text from the node',
    ways: ['off', 'proxies', 'full'],
    instead: '200',
    reason:
      'The library redirects where a connection is dialled; this one is dialled outside of the cgroup to which it is attached.',
  },
];
