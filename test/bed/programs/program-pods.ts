import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { MeshAccelerator } from 'merbridge';
import { Bed } from '../bed';
import { type Mode, enterMesh } from '../modes';
import { type SidecarKind, startSidecar } from '../sidecar';
import { applicationFolder } from './application-folder';
import type { Body } from './bodies';
import { LineClient } from './lines';
import type { ClientProgram, Site } from './program';
import { CLIENTS, type Route, SERVERS } from './routes';
import { waitingSockets } from './waiting';

/** How a transfer ends that does not end well. */
export const FAULTS = ['hung', 'length', 'checksum', 'error'] as const;
export type Fault = (typeof FAULTS)[number];

/** What went wrong with a transfer. */
export interface Failure {
  readonly fault: Fault;
  /** What the client said instead. */
  readonly answer?: string;
  /** Sockets in which bytes wait, where it hangs. */
  readonly waiting?: readonly string[];
}

/** Options of {@link ProgramPods.open}. */
export interface ProgramPodsOptions {
  readonly mode: Mode;
  readonly sidecar: SidecarKind;
  readonly site: Site;
  readonly subnet: number;
}

/** Nothing here takes more than a fraction of this time. */
function limitMs(bytes: number): number {
  return 30_000 + bytes / 4000;
}

/** A pod with all the servers, one with all the clients, and their sidecars. The programs live as long as the pods. */
export class ProgramPods implements AsyncDisposable {
  readonly #bed: Bed;
  readonly #site: Site;
  readonly #clients = new Map<ClientProgram, LineClient>();
  mesh: MeshAccelerator | undefined;

  private constructor({ subnet, site }: ProgramPodsOptions) {
    this.#bed = Bed.create({ subnet });
    this.#site = { ...site, scratch: join(site.scratch, this.#bed.id) };
    applicationFolder(this.#site.scratch);
  }

  static async open(options: ProgramPodsOptions): Promise<ProgramPods> {
    const pods = new ProgramPods(options);
    try {
      await pods.#start(options);
      return pods;
    } catch (error) {
      await pods[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #start({ mode, sidecar }: ProgramPodsOptions): Promise<void> {
    const client = this.#bed.pod('client');
    const server = this.#bed.pod('server');
    await Promise.all([
      ...SERVERS.map(program => program.start(server, this.#site)),
      ...CLIENTS.map(program => program.startProxy?.(client, server, this.#site)),
    ]);
    for (const pod of [client, server]) await startSidecar(pod, { kind: sidecar, log: false });
    this.mesh = await enterMesh(this.#bed, mode);
  }

  /** Sends a body on a route; says what went wrong, if anything did. */
  async transfer({ client, server, upload }: Route, body: Body): Promise<Failure | undefined> {
    const [clients, servers] = this.#bed.pods as [Bed['pods'][0], Bed['pods'][0]];
    const path = upload ?? `/${body.bytes}`;
    const url = client.url?.(server.port, path) ?? `http://${servers.address}:${server.port}${path}`;
    const running = this.#clients.get(client) ?? new LineClient(clients, client.command(this.#site));
    this.#clients.set(client, running);
    const answer = await running.ask(
      `${upload === undefined ? 'GET' : 'PUT'} ${url} ${body.path}`,
      limitMs(body.bytes),
    );
    if (answer === undefined) {
      const waiting = waitingSockets(this.#bed.pods);
      await running.stop(); // it would answer later, or never
      this.#clients.delete(client);
      return { fault: 'hung', waiting };
    }
    return judge(answer, body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.mesh && !this.mesh.closed) await this.mesh.close();
    } finally {
      this.#bed.close();
      rmSync(this.#site.scratch, { recursive: true, force: true });
    }
  }
}

function judge(answer: string, { bytes, sha256 }: Body): Failure | undefined {
  const [ok, length, digest] = answer.split(' ');
  if (ok !== 'ok') return { fault: 'error', answer };
  if (length !== `${bytes}`) return { fault: 'length', answer };
  return digest === sha256 ? undefined : { fault: 'checksum', answer };
}
