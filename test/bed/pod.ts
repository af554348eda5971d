import type { ChildProcess, StdioOptions } from 'node:child_process';
import { join } from 'node:path';
import { finished, spawn, type Finished } from './children';
import type { Bed } from './bed';
import { createCgroup } from './cgroup';
import { createPodNetns, netnsPath } from './netns';
import { startTime } from './processes';
import { reachFlags } from './reach';
import { PATIENCE_MS, SYSTEM_PATH, sh } from './shell';
import { patienceFor } from './slowness';

/** How {@link Pod.spawn} runs a process. */
export interface SpawnOptions {
  /** User and group, 0 if not given: iptables' owner match and the mesh profiles tell programs apart by them. */
  readonly uid?: number;
  readonly gid?: number;
  /** The whole environment (default: PATH alone, as in a container; nothing of this process leaks in). */
  readonly env?: NodeJS.ProcessEnv;
  readonly stdio?: StdioOptions;
}

/** @internal */
export interface PodPlan {
  readonly name: string;
  readonly index: number;
  readonly netns: string;
  readonly node: string;
  readonly cgroupPath: string;
  readonly address: string;
  readonly address6: string;
  readonly gateway: string;
  readonly gateway6: string;
}

/**
 * `echo` moves the shell into the cgroup, then it becomes the program, step by step and without a fork: the program is
 * in its cgroup and namespace from its first instruction, and the id that Node knows is its own.
 */
const ENTER = 'ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"; echo $$ > "$0" && exec "$@"';

/** A network namespace with a cgroup: what the containers of a Kubernetes pod share. */
export class Pod {
  readonly name: string;
  /** Name of the network namespace, as `ip netns` lists it. */
  readonly netns: string;
  readonly netnsPath: string;
  readonly cgroupPath: string;
  readonly address: string;
  readonly address6: string;
  readonly #bed: Bed;

  /** @internal */
  constructor(bed: Bed, plan: PodPlan) {
    this.#bed = bed;
    this.name = plan.name;
    this.netns = plan.netns;
    this.netnsPath = netnsPath(plan.netns);
    this.cgroupPath = plan.cgroupPath;
    this.address = plan.address;
    this.address6 = plan.address6;
    createCgroup(this.cgroupPath);
    createPodNetns(plan.netns, plan.node, plan.index, plan.address, plan.address6, plan.gateway, plan.gateway6);
  }

  /** A directory for files of this pod's programs. */
  get directory(): string {
    return this.#bed.directory;
  }

  /** Starts a program in this pod. It lives until it ends, is killed, the bed is closed, or this process ends. */
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    const { uid = 0, gid = uid, env = { PATH: SYSTEM_PATH }, stdio = 'pipe' } = options;
    // The user id is changed last but one: that takes the signal of `spawn` back, and setpriv sets it after it.
    const child = spawn(
      'sh',
      [
        '-c',
        ENTER,
        join(this.cgroupPath, 'cgroup.procs'),
        'nsenter',
        `--net=${this.netnsPath}`,
        '--',
        'setpriv',
        '--reuid',
        `${uid}`,
        '--regid',
        `${gid}`,
        '--clear-groups',
        ...reachFlags([command, ...args]),
        '--pdeathsig',
        'KILL',
        '--',
        command,
        ...args,
      ],
      {
        env,
        stdio,
        cwd: '/', // the current directory may be closed to that user
        detached: true, // Ctrl-C is for the bed, which then ends its pods in order
      },
    );
    const started = child.pid === undefined ? undefined : startTime(child.pid);
    if (child.pid !== undefined && started !== undefined) this.#bed.spawned.set(child.pid, started);
    return child;
  }

  /**
   * Runs a program in this pod to its end. It is killed after `timeoutMs` (default {@link PATIENCE_MS}), or more on a
   * slow machine: see {@link patienceFor}.
   */
  async run(
    command: string,
    args: readonly string[] = [],
    options: SpawnOptions & { readonly timeoutMs?: number } = {},
  ): Promise<Finished> {
    const child = this.spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceFor(options.timeoutMs ?? PATIENCE_MS));
    try {
      return await finished(child);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Runs an administrative command in the pod's namespace as root, outside its cgroup. */
  admin(command: string, args: readonly string[], input?: string): string {
    return sh('nsenter', [`--net=${this.netnsPath}`, '--', command, ...args], input);
  }
}
