import { MerbridgeError } from '../errors';
import type { PodOptions } from '../policy';
import type { PodTable } from './pod-table';
import { asError } from './report';
import { sameTreatment } from './same-treatment';

/** What the table holds of one address, as far as is known. */
export interface Held {
  readonly options: PodOptions;
  /** Whose address it is; undefined if another process, or an earlier one, wrote it. */
  readonly key?: string | undefined;
}

/** What was done. */
export interface Outcome {
  readonly added: string[];
  readonly changed: string[];
  readonly deleted: string[];
  /** What the table refused, by address. */
  readonly refused: Map<string, Error>;
}

/** What another attempt with the same options cannot mend. */
const FINAL = new Set(['ERR_BPF_INVALID_ADDRESS', 'ERR_BPF_CLOSED', 'ERR_BPF_POD_RULES']);

/** Whether it makes sense to try again: not for an argument that makes no sense. @internal */
export function passing(error: Error): boolean {
  return error instanceof MerbridgeError
    ? !FINAL.has(error.code)
    : !(error instanceof TypeError || error instanceof RangeError);
}

/**
 * Writes what differs, and updates `held` with every single step that worked. Never throws: whatever is refused, the
 * rest is applied.
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
    // An address that moved is another pod's: what was learned of the old one's processes has to go as well.
    if (moved) gone.push(address);
    writes.push({ address, want, list: have === undefined ? outcome.added : outcome.changed });
  }
  // First what goes: it makes room.
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
  // One that moved and was refused, too.
  for (const address of gone) if (!held.has(address)) outcome.deleted.push(address);
  return outcome;
}

/** Many cost little more than one. If one of them is refused, each has to be tried alone. */
function writeTogether(table: PodTable, writes: readonly { address: string; want: Held }[]): boolean {
  if (writes.length < 2) return writes.length === 0;
  try {
    table.setMany(writes.map(({ address, want }) => [address, want.options] as const));
    return true;
  } catch {
    return false;
  }
}
