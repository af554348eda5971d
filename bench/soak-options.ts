import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { CASE_NAMES, MODES, SIDECAR_KINDS, type CaseName, type Mode, type SidecarKind } from '../test/bed';
import { oneOf } from './one-of';
import { positive } from './positive';

/** What the soak was asked for. */
export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly naive: boolean;
  readonly cases: readonly CaseName[];
  readonly modes: readonly Mode[];
  readonly sidecars: readonly SidecarKind[];
}

export const usage = `npm run soak -- [--minutes N] [--seed N] [--case NAME] [--scope NAME] [--sidecar NAME] [--naive]
  --minutes   about how long; at least one round of everything is run (default 10)
  --seed      decides sizes, kinds and order of the streams of the first round, one more of the second, … (default random)
  --case      this case alone: ${CASE_NAMES.join(', ')}
  --scope     this path alone: ${MODES.join(', ')}
  --sidecar   this sidecar alone: ${SIDECAR_KINDS.join(', ')}
  --naive     with a program that keeps no order, in the place of the library's: succeeds if it is found damaging`;

/** Reads the command line; a word that is not understood ends in an error that names it. */
export function soakOptions(args: readonly string[]): SoakOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '10' },
      seed: { type: 'string' },
      case: { type: 'string' },
      scope: { type: 'string' },
      sidecar: { type: 'string' },
      naive: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  return {
    minutes: positive('minutes', values.minutes, 24 * 60),
    seed: values.seed === undefined ? randomInt(1, 2 ** 31) : positive('seed', values.seed, 2 ** 32 - 1),
    naive: values.naive,
    cases: oneOf('case', values.case, CASE_NAMES),
    modes: oneOf('scope', values.scope, MODES),
    sidecars: oneOf('sidecar', values.sidecar, SIDECAR_KINDS),
  };
}
