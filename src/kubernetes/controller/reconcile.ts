import { MerbridgeError } from '../../errors';
import type { PodOptions } from '../../policy';
import type { PodTable } from './pod-table';
import { asError } from '../sources/report';
import { sameTreatment } from './same-treatment';

/** Content of the table for one address, as far as it is known. */
export interface Held {
  readonly options: PodOptions;
  /** Key of the pod that has the address. `undefined` if another or an earlier process wrote the entry. */
  readonly key?: string | undefined;
}

/** Result of a round. */
export interface Outcome {
  readonly added: string[];
  readonly changed: string[];
  readonly deleted: string[];
  /** Errors of the table by address. */
  readonly refused: Map<string, Error>;
}

/** Errors that a retry with the same options cannot fix. */
const FINAL = new Set(['ERR_BPF_INVALID_ADDRESS', 'ERR_BPF_CLOSED', 'ERR_BPF_POD_RULES']);

/**
 * Whether a retry makes sense. It does not for an invalid argument.
 *
 * @internal
 */
export function passing(error: Error): boolean {
  return error instanceof MerbridgeError
    ? !FINAL.has(error.code)
    : !(error instanceof TypeError || error instanceof RangeError);
}

/**
 * Writes the differences, and updates `held` after every successful step. Never throws: if the table refuses one entry,
 * the others are applied.
 *
 * @internal
 */
export function reconcile(table: PodTable, held: Map<string, Held>, wanted: ReadonlyMap<string, Held>): Outcome {
  const outcome: Outcome = { added: [], changed: [], deleted: [], refused: new Map() };
  const attempt = (address: string, step: () => void): void => {
    try {
      step();
    } catch (thrown) {
      outcome.refused.set(address, asError(thrown));
    }
  };
  const gone = [...held.keys()].filter(address => !wanted.has(address));
  const writes: { address: string; want: Held; list: string[] }[] = [];
  for (const [address, want] of wanted) {
    const have = held.get(address);
    const moved = have?.key !== undefined && have.key !== want.key;
    if (have !== undefined && !moved && sameTreatment(have.options, want.options)) {
      if (have.key === undefined) held.set(address, want);
      continue;
    }
    // The address now belongs to another pod. What was learned about the processes of the old pod has to be removed as
    // well.
    if (moved) gone.push(address);
    writes.push({ address, want, list: have === undefined ? outcome.added : outcome.changed });
  }
  // Deletions first, to make room.
  try {
    if (gone.length > 0) table.deleteMany(gone);
    for (const address of gone) held.delete(address);
  } catch (thrown) {
    for (const address of gone) outcome.refused.set(address, asError(thrown));
  }
  if (!writeTogether(table, writes))
    for (const { address, want } of writes) attempt(address, () => void table.set(address, want.options));
  for (const { address, want, list } of writes) {
    if (outcome.refused.has(address)) continue;
    held.set(address, want);
    list.push(address);
  }
  // An address that moved and was then refused.
  for (const address of gone) if (!held.has(address)) outcome.deleted.push(address);
  return outcome;
}

/** Many entries cost little more than one. If one of them is refused, each has to be written by itself. */
function writeTogether(table: PodTable, writes: readonly { address: string; want: Held }[]): boolean {
  if (writes.length < 2) return writes.length === 0;
  try {
    table.setMany(writes.map(({ address, want }) => [address, want.options] as const));
    return true;
  } catch {
    return false;
  }
}
