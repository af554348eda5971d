/**
 * A small controller that embeds the accelerator: a JSON file says which pods to enrol, and the file may change at
 * any time.
 *
 *   custom-controller.ts PODS.json [CGROUP]
 *
 * The file holds an object, by address: { "10.0.0.7": {}, "10.0.0.8": { "acceleration": "full" } }. Replace the source
 * with your own (an API server, the CRI, a CNI plug-in). The essential part is `reconcile`.
 */
import { watch, type FSWatcher } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { MerbridgeError, MeshAccelerator, type PodOptions } from 'merbridge';
import { fromBytes, ipAddress, toBytes } from 'merbridge/bpf';

/** Errors that concern one pod. The other pods are enrolled all the same. */
const REFUSED: ReadonlySet<string> = new Set([
  'ERR_BPF_INVALID_ADDRESS',
  'ERR_BPF_POD_RULES',
  'ERR_BPF_MAP_FULL',
  'ERR_BPF_NOT_A_CGROUP',
]);

class PodFileController implements AsyncDisposable {
  readonly #mesh: MeshAccelerator;
  /** Options that were applied, by address. The map returns rules in another form, so they are compared here. */
  readonly #applied = new Map<string, string>();
  readonly #path: string;
  readonly #watcher: FSWatcher;
  readonly #poll: NodeJS.Timeout;
  #running: Promise<void> = Promise.resolve();

  private constructor(mesh: MeshAccelerator, path: string) {
    this.#mesh = mesh;
    this.#path = resolve(path);
    mesh.on('warning', warning => console.warn(`warning: ${warning.message}`));
    mesh.on('pods', (added, deleted) => {
      for (const address of added)
        console.log(`enrolled ${address}, acceleration '${mesh.localPodIps.get(address)?.acceleration}'`);
      for (const address of deleted) console.log(`took out ${address}`);
    });
    // The directory, not the file: editors and `mv` replace a file. Events may be lost, so it is also read every ten
    // seconds.
    this.#watcher = watch(dirname(this.#path), (_, name) => {
      if (name === null || name === basename(this.#path)) void this.sync();
    });
    this.#poll = setInterval(() => void this.sync(), 10_000);
  }

  static async start(path: string, cgroup: string): Promise<PodFileController> {
    const mesh = await MeshAccelerator.start({ cgroup });
    try {
      const controller = new PodFileController(mesh, path);
      await controller.sync();
      return controller;
    } catch (error) {
      await mesh.close();
      throw error;
    }
  }

  /** Writes the content of the file to the map. Calls run one after the other, and never reject. */
  sync(): Promise<void> {
    this.#running = this.#running.then(async () => {
      try {
        const text = await readFile(this.#path, 'utf8');
        if (!this.#mesh.closed) this.reconcile(JSON.parse(text) as Record<string, PodOptions>);
      } catch (error) {
        // The file is missing or half written: the pods stay as they are, and the next event or poll retries.
        const { message } = error as Error;
        // It quotes the file, whose control characters a terminal would interpret.
        console.error(`${this.#path}: ${message.replace(/\p{C}/gu, '?')}`);
      }
    });
    return this.#running;
  }

  /** Level-triggered: compares the desired state with the map, so a lost event costs only time. */
  reconcile(pods: Readonly<Record<string, PodOptions>>): void {
    const { localPodIps } = this.#mesh;
    const wanted = new Map<string, PodOptions>();
    for (const [address, options] of Object.entries(pods))
      // The form in which the map returns it.
      this.#each(address, () => wanted.set(fromBytes(ipAddress, toBytes(ipAddress, address)), options));
    const present = new Set(localPodIps.keys());
    localPodIps.deleteMany([...present].filter(address => !wanted.has(address)));
    for (const [address, options] of wanted) {
      const text = JSON.stringify(options);
      if (present.has(address) && this.#applied.get(address) === text) continue;
      this.#each(address, () => {
        localPodIps.set(address, options);
        this.#applied.set(address, text);
      });
    }
    for (const address of this.#applied.keys()) if (!wanted.has(address)) this.#applied.delete(address);
  }

  #each(address: string, step: () => void): void {
    try {
      step();
    } catch (error) {
      // A TypeError: invalid options.
      if (!(error instanceof TypeError) && !(error instanceof MerbridgeError && REFUSED.has(error.code))) throw error;
      console.error(`skipped ${address}: ${error.message}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#poll);
    this.#watcher.close();
    await this.#running;
    await this.#mesh.close();
    console.log('detached');
  }
}

/** What an operator should do. Codes are stable; messages are for people. */
function advice(error: MerbridgeError): string {
  switch (error.code) {
    case 'ERR_BPF_PERMISSION':
      return 'run it as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON';
    case 'ERR_BPF_NOT_A_CGROUP':
      return 'name a directory of the cgroup2 file system';
    case 'ERR_BPF_ALREADY_ATTACHED':
      return 'another controller runs on this node; stop it first';
    case 'ERR_BPF_LIBRARY_LOAD':
      return 'install libbpf 1.0 or later';
    default:
      return error.hint ?? 'see the message';
  }
}

async function main(path: string | undefined, cgroup = '/sys/fs/cgroup/kubepods.slice'): Promise<void> {
  if (path === undefined) throw new TypeError('usage: custom-controller.ts PODS.json [CGROUP]');
  const controller = await PodFileController.start(path, cgroup);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void controller[Symbol.asyncDispose]());
  console.log(`following ${path}`);
}

main(...(process.argv.slice(2) as [string?, string?])).catch((error: unknown) => {
  console.error(error instanceof MerbridgeError ? `${error.code}: ${error.message}\n${advice(error)}` : error);
  process.exitCode = 1;
});
