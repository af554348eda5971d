import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { MeshAcceleratorOptions } from 'merbridge';

const ROOT = join(__dirname, '..', '..');

const PROGRAM = (options: object): string => `
  require(${JSON.stringify(ROOT)}).MeshAccelerator.start(${JSON.stringify(options)}).then(mesh => {
    process.on('SIGTERM', () => mesh.close());
    console.log(JSON.stringify({ adoption: mesh.adoption, acceleration: mesh.acceleration, pods: [...mesh.localPodIps.keys()] }));
  }, error => { console.log(JSON.stringify({ code: error.code, message: error.message, pid: error.pid })); process.exitCode = 1; });`;

/** What an agent says when it has started, or why it has not. */
export interface AgentReport {
  readonly adoption?: { readonly carriedOver: readonly string[]; readonly madeAnew: readonly string[] };
  readonly acceleration?: string;
  readonly pods?: readonly string[];
  readonly code?: string;
  readonly message?: string;
  readonly pid?: number;
}

/** An accelerator in a process of its own, as a controller would run it: it closes at SIGTERM. */
export class Agent {
  private constructor(
    readonly process: ChildProcess,
    readonly report: AgentReport,
  ) {}

  /** Starts one, without waiting for it. */
  static spawn(options: MeshAcceleratorOptions, env: NodeJS.ProcessEnv = {}): ChildProcess {
    return spawn(process.execPath, ['-e', PROGRAM(options)], { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  }

  /** Starts one, and waits until it stands, or has failed. */
  static async start(options: MeshAcceleratorOptions, env: NodeJS.ProcessEnv = {}): Promise<Agent> {
    const child = Agent.spawn(options, env);
    const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
    return new Agent(child, JSON.parse(line) as AgentReport);
  }

  /** Sends it a signal, and waits for its end. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return this.process.exitCode;
    const ended = once(this.process, 'exit');
    this.process.kill(signal);
    await ended;
    return this.process.exitCode;
  }
}
