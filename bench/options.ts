import { parseArgs } from 'node:util';
import type { SidecarKind } from '../test/bed';
import { positive } from './positive';

/** What a measurement was asked for. */
export interface Options {
  readonly sidecar: SidecarKind;
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: readonly number[];
  /** Length of each answer's body in bytes. */
  readonly body: number;
}

const meanings = {
  sidecar: 'the proxy in each pod, haproxy or envoy',
  rounds: 'interleaved rounds, each with every mode',
  seconds: 'length of each measurement',
  connections: 'connections of the client at one time',
  body: 'bytes in each answer',
};

/** What each option is if it is not given, in the words of the command line. */
export type Defaults = Readonly<Record<keyof typeof meanings, string>>;

/**
 * Reads the command line. Undefined after `--help`, which it answers; a word that is not understood ends in an error
 * that names it.
 *
 * @param command - how this measurement is called
 * @param several - whether `--connections` may be a list, such as `1,16,64`
 */
export function readOptions(
  command: string,
  defaults: Defaults,
  args: readonly string[],
  several = false,
): Options | undefined {
  const text = (name: keyof Defaults): { type: 'string'; default: string } => ({
    type: 'string',
    default: defaults[name],
  });
  const { values } = parseArgs({
    args: [...args],
    options: {
      sidecar: text('sidecar'),
      rounds: text('rounds'),
      seconds: text('seconds'),
      connections: text('connections'),
      body: text('body'),
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(usage(command, defaults, several));
    return undefined;
  }
  const { sidecar } = values;
  if (sidecar !== 'haproxy' && sidecar !== 'envoy')
    throw new RangeError(`--sidecar must be haproxy or envoy, not '${sidecar}'`);
  const counts = several ? values.connections.split(',') : [values.connections];
  return {
    sidecar,
    rounds: positive('rounds', values.rounds, 100),
    seconds: positive('seconds', values.seconds, 60),
    connections: counts.map(count => positive('connections', count, 1000)),
    body: positive('body', values.body, 1_000_000),
  };
}

function usage(command: string, defaults: Defaults, several: boolean): string {
  const names = Object.keys(meanings) as (keyof Defaults)[];
  const line = (name: keyof Defaults): string => {
    const list = several && name === 'connections' ? '; a list is measured one by one' : '';
    return `  --${name.padEnd(11)}  ${meanings[name]}${list} (default ${defaults[name]})`;
  };
  return [
    `${command} ${names.map(name => `[--${name} ${name === 'sidecar' ? 'NAME' : 'N'}]`).join(' ')}`,
    ...names.map(line),
  ].join('\n');
}
