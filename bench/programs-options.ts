import { parseArgs } from 'node:util';
import { MODES, SIDECAR_KINDS, type Mode, type SidecarKind } from '../test/bed';
import { ROUTES, type Route, routeName } from '../test/bed/programs';
import { oneOf } from './one-of';
import { positive } from './positive';

/** What the programs are asked for. */
export interface ProgramsOptions {
  readonly rounds: number;
  /** Lengths of bodies in bytes. */
  readonly lengths: readonly number[];
  readonly modes: readonly Mode[];
  readonly sidecars: readonly SidecarKind[];
  readonly routes: readonly Route[];
  /** Whether all clients are at work at the same time. */
  readonly together: boolean;
}

export const usage = `npm run soak:programs -- [--rounds N] [--sizes LIST] [--scope NAME] [--sidecar NAME] [--only TEXT] [--together]
  --rounds    how often everything is sent, each time in new pods (default 10)
  --sizes     lengths of the bodies in MB (default 1,4,20,200)
  --scope     this path alone: ${MODES.join(', ')} (default iptables and full)
  --sidecar   this sidecar alone: ${SIDECAR_KINDS.join(', ')}
  --only      only between programs whose names have this text, such as nginx, or 'curl ->'
  --together  all clients at the same time, rather than one after the other`;

/** Reads the command line; a word that is not understood ends in an error that names it. */
export function programsOptions(args: readonly string[]): ProgramsOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string', default: '10' },
      sizes: { type: 'string', default: '1,4,20,200' },
      scope: { type: 'string' },
      sidecar: { type: 'string' },
      only: { type: 'string', default: '' },
      together: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const routes = ROUTES.filter(route => routeName(route).includes(values.only));
  if (routes.length === 0) throw new RangeError(`--only: no program has '${values.only}' in its name`);
  return {
    rounds: positive('rounds', values.rounds, 10_000),
    lengths: values.sizes.split(',').map(size => 1e6 * positive('sizes', size, 10_000)),
    modes: values.scope === undefined ? ['iptables', 'full'] : oneOf('scope', values.scope, MODES),
    sidecars: oneOf('sidecar', values.sidecar, SIDECAR_KINDS),
    routes,
    together: values.together,
  };
}
