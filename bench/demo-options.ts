import { parseArgs } from 'node:util';
import { positive } from './positive';

/** What the demo was asked for. */
export interface DemoOptions {
  readonly sidecar: 'haproxy' | 'envoy';
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  /** Length of each answer's body in bytes. */
  readonly body: number;
}

export const usage = `npm run demo -- [--sidecar haproxy|envoy] [--rounds N] [--seconds N] [--connections N] [--body N]
  --sidecar      the proxy in each pod (default haproxy)
  --rounds       interleaved rounds, each with every mode (default 5)
  --seconds      length of each measurement (default 3)
  --connections  connections that the client keeps open (default 16)
  --body         bytes in each answer (default 8192)`;

/** Reads the command line; a word that is not understood ends in an error that names it. */
export function demoOptions(args: readonly string[]): DemoOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sidecar: { type: 'string', default: 'haproxy' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      connections: { type: 'string', default: '16' },
      body: { type: 'string', default: '8192' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const { sidecar } = values;
  if (sidecar !== 'haproxy' && sidecar !== 'envoy') throw new RangeError(`--sidecar must be haproxy or envoy, not '${sidecar}'`);
  return {
    sidecar,
    rounds: positive('rounds', values.rounds, 100),
    seconds: positive('seconds', values.seconds, 60),
    connections: positive('connections', values.connections, 1000),
    body: positive('body', values.body, 1_000_000),
  };
}
