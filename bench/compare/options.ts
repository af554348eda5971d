import { parseArgs } from 'node:util';
import type { SidecarKind } from '../../test/bed';
import { positive } from '../positive';

/** What the comparison was asked for. */
export interface CompareOptions {
  readonly sidecar: SidecarKind;
  readonly connections: readonly number[];
  readonly rounds: number;
  /** Of each measurement; a point has two for each way in a round. */
  readonly seconds: number;
  /** How often all of it is done: a winner is named only where every run has the same. */
  readonly runs: number;
  /** Directory for the JSON and the pictures. */
  readonly output: string;
}

const full = { connections: '1,2,5,10,16,50,64,100,256', rounds: '3', seconds: '1', runs: '2' };
const quick = { connections: '1,64', rounds: '1', seconds: '1', runs: '1' };

const USAGE = `npm run bench -- [--sidecar NAME] [--quick] [--connections LIST] [--rounds N] [--seconds N] [--runs N] [--output DIR]
  --sidecar      the proxy in each pod, haproxy or envoy (default haproxy)
  --quick        a look in two minutes: --connections ${quick.connections} --rounds ${quick.rounds} --seconds ${quick.seconds} --runs ${quick.runs}
  --connections  of the client at one time, measured one by one (default ${full.connections})
  --rounds       of a run, each in fresh pods, in which all ways take turns at each point (default ${full.rounds})
  --seconds      length of each measurement, of which a point has two in a round (default ${full.seconds})
  --runs         how often all of it is done (default ${full.runs}); a winner is named only where all runs have the same
  --output       where figures.json and the pictures go (default bench/out/NAME of the sidecar)`;

/** Reads the command line. Undefined after `--help`, which it answers. */
export function readCompareOptions(args: readonly string[]): CompareOptions | undefined {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      sidecar: { ...text, default: 'haproxy' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      connections: text,
      rounds: text,
      seconds: text,
      runs: text,
      output: text,
    },
  });
  if (values.help) {
    console.log(USAGE);
    return undefined;
  }
  const defaults = values.quick ? quick : full;
  const {
    sidecar,
    connections = defaults.connections,
    rounds = defaults.rounds,
    seconds = defaults.seconds,
    runs = defaults.runs,
  } = values;
  if (sidecar !== 'haproxy' && sidecar !== 'envoy')
    throw new RangeError(`--sidecar must be haproxy or envoy, not '${sidecar}'`);
  return {
    sidecar,
    connections: connections.split(',').map(count => positive('connections', count, 1000)),
    rounds: positive('rounds', rounds, 100),
    seconds: positive('seconds', seconds, 60),
    runs: positive('runs', runs, 10),
    output: values.output ?? `bench/out/${sidecar}`,
  };
}
