import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, release, totalmem, version as kernelVersion } from 'node:os';
import { join } from 'node:path';
import { kernelAdvisories } from 'merbridge';
import { execFileSync } from '../../test/bed/children';
import { envoyBinary, type SidecarKind } from '../../test/bed';
import { BODY_BYTES } from './requests';
import type { CompareOptions } from './options';

/** Under which conditions the figures came about: without them they say nothing. */
export interface Conditions {
  readonly date: string;
  readonly kernel: string;
  readonly architecture: string;
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  /** Mitigations and frequency scaling move system calls by tens of percent. */
  readonly mitigations: Readonly<Record<string, string>>;
  readonly governor: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly sidecar: SidecarKind;
  readonly connections: readonly number[];
  readonly rounds: number;
  readonly secondsEach: number;
  readonly runs: number;
  readonly bodyBytes: number;
  readonly order: string;
  /** Known faults of this kernel in what is measured. */
  readonly advisories: readonly string[];
}

export function conditions(options: CompareOptions): Conditions {
  const { version } = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as { version: string };
  return {
    date: new Date().toISOString().slice(0, 10),
    kernel: release(),
    architecture: arch(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    mitigations: mitigations(),
    governor: read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor') ?? 'none (virtual machine, or no scaling)',
    versions: {
      merbridge: version,
      node: process.versions.node,
      [options.sidecar]: options.sidecar === 'haproxy' ? firstLine('haproxy', ['-v']) : envoyVersion(),
      wrk: firstLine('wrk', ['-v']),
      sockperf: firstLine('sockperf', ['--version']),
      iperf3: firstLine('iperf3', ['--version']),
    },
    sidecar: options.sidecar,
    connections: options.connections,
    rounds: options.rounds,
    secondsEach: options.seconds,
    runs: options.runs,
    bodyBytes: BODY_BYTES,
    order:
      'a round has fresh network namespaces for all ways, which take turns at each point, forwards and backwards; the mean of both counts',
    advisories: kernelAdvisories(release(), kernelVersion()).map(({ id }) => id),
  };
}

/** The same for people, under the pictures. */
export function describeConditions(c: Conditions): string {
  return (
    `${c.date}, Linux ${c.kernel} (${c.architecture}), ${c.cpus} × ${c.cpu}, ${c.memoryGiB} GiB; ${c.versions[c.sidecar] ?? c.sidecar}; ` +
    `client, server and both sidecars on this one machine, beside those of the other modes, which get no load meanwhile; answers of ${c.bodyBytes} bytes; ` +
    `${c.runs} × ${c.rounds} rounds in fresh pods, in which all modes take turns at each point, twice ${c.secondsEach} s each; median over all rounds.`
  );
}

function mitigations(): Record<string, string> {
  const directory = '/sys/devices/system/cpu/vulnerabilities';
  return Object.fromEntries(
    ['meltdown', 'spectre_v2', 'retbleed'].map(name => [name, read(join(directory, name)) ?? 'unknown']),
  );
}

/** `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`. */
function envoyVersion(): string {
  return `Envoy ${/\/(\d+\.\d+\.\d+)\//.exec(firstLine(envoyBinary(), ['--version']))?.[1] ?? 'of an unknown version'}`;
}

/** Some of these tools print their version to standard error, and end with an error after it. */
function firstLine(command: string, args: readonly string[]): string {
  try {
    return (
      execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
        .trim()
        .split('\n')[0] ?? ''
    );
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    return `${stdout}${stderr}`.trim().split('\n')[0] ?? '';
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
