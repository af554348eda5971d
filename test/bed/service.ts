import type { ChildProcess } from 'node:child_process';
import { chownSync, closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from './pod';
import { listeningPorts } from './ports';
import { processRss } from './processes';
import { until } from './shell';

/** What {@link startService} starts. */
export interface ServiceOptions {
  /** Unique in the bed; names its files. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly uid: number;
  readonly env?: NodeJS.ProcessEnv;
  /** It is ready when it listens on all of these. */
  readonly ports: readonly number[];
  readonly timeoutMs?: number;
}

/** A running server in a pod. */
export class Service {
  constructor(
    readonly pod: Pod,
    readonly name: string,
    readonly process: ChildProcess,
    /** Standard output and error of the server. */
    readonly outputPath: string,
  ) {}

  get pid(): number {
    return this.process.pid ?? 0;
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Resident memory in bytes. */
  rss(): number {
    return processRss(this.pid);
  }

  /** What the server printed so far. */
  output(): string {
    return readFileSync(this.outputPath, 'utf8');
  }

  /** Ends the server and waits for its end. */
  async stop(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.running) return;
    this.process.ref(); // now somebody waits for it
    const ended = new Promise(resolve => this.process.once('exit', resolve));
    this.process.kill(signal);
    await ended;
  }
}

/** A file of a pod's program that the program's user may write. */
export function createFile(pod: Pod, name: string, uid: number): string {
  const path = join(pod.directory, name);
  closeSync(openSync(path, 'a', 0o644));
  chownSync(path, uid, uid);
  return path;
}

/** Starts a server and waits until it listens. If it does not, the error carries the last lines it printed. */
export async function startService(pod: Pod, options: ServiceOptions): Promise<Service> {
  const outputPath = createFile(pod, `${pod.name}-${options.name}.out`, options.uid);
  const output = openSync(outputPath, 'a');
  const child = pod.spawn(options.command, options.args, {
    uid: options.uid,
    env: options.env,
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  child.unref(); // a forgotten server must not keep the test process from ending: its exit closes the bed
  const service = new Service(pod, options.name, child, outputPath);
  const lastLines = (): string => `\n${service.output().trimEnd().split('\n').slice(-12).join('\n')}`;
  try {
    await until(
      `${options.name} in pod ${pod.name} listening on ${options.ports.join(', ')}`,
      () => {
        if (!service.running) throw new Error(`${options.name} in pod ${pod.name} ended at once:${lastLines()}`);
        const listening = listeningPorts(service.pid);
        return options.ports.every(port => listening.has(port));
      },
      options.timeoutMs,
      lastLines,
    );
  } catch (error) {
    await service.stop();
    throw error;
  }
  return service;
}
