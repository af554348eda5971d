import type { Way } from '../bed';

/** A difference from iptables that is known and has a reason. */
export interface WantedDifference {
  readonly request: string;
  readonly ways: readonly Way[];
  /** How the request goes, as the table says it. */
  readonly instead: string;
  readonly reason: string;
}

const LIBRARY_ALONE: readonly Way[] = ['off', 'proxies', 'full'];
const REASON =
  'The library redirects a connection where it is dialled, if a pod of the mesh dials it. Here somebody else does.';

export const WANTED: readonly WantedDifference[] = [
  { request: 'plain text from a pod outside', ways: LIBRARY_ALONE, instead: '200', reason: REASON },
  { request: 'plain text from the node', ways: LIBRARY_ALONE, instead: '200', reason: REASON },
];
