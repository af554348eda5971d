import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { MeshAcceleratorOptions } from 'merbridge';
import { spawn } from './children';

const ROOT = join(__dirname, '..', '..');

const PROGRAM = (options: object, root: string): string => `
  require(${JSON.stringify(root)}).MeshAccelerator.start(${JSON.stringify(options)}).then(mesh => {
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

  /** Starts one, without waiting for it; of another build of the package than this one if `root` says so. */
  static spawn(options: MeshAcceleratorOptions, root = ROOT): ChildProcess {
    return spawn(process.execPath, ['-e', PROGRAM(options, root)], { stdio: ['ignore', 'pipe', 'inherit'] });
  }

  /** Starts one, and waits until it stands, or has failed. */
  static async start(options: MeshAcceleratorOptions, root?: string): Promise<Agent> {
    const child = Agent.spawn(options, root);
    const { value: line, done } = await createInterface({ input: child.stdout! })[Symbol.asyncIterator]().next();
    if (done) throw new Error(`the agent ended without a word (${child.exitCode ?? child.signalCode ?? 'not yet'})`);
    // A test that fails leaves it running: it must not keep the process of the test alive, with which it ends.
    child.unref();
    (child.stdout as Socket).unref();
    return new Agent(child, JSON.parse(line) as AgentReport);
  }

  /** Sends it a signal, and waits for its end. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return this.process.exitCode;
    this.process.ref();
    const ended = once(this.process, 'exit');
    this.process.kill(signal);
    await ended;
    return this.process.exitCode;
  }
}
