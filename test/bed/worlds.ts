import assert from 'node:assert/strict';
import type { MeshAccelerator } from 'merbridge';
import { Bed } from './bed';
import { type Ends, connectEnds } from './hazards';
import { enterMesh } from './modes';
import { type NaiveSockmap, enterNaiveSockmap } from './naive';
import type { Pod } from './pod';
import { startSidecar } from './sidecar';

/**
 * Where a hazard is looked at: a connection over plain TCP or in a naive sockmap, without sidecars; or between two pods
 * of a mesh whose sidecars are HAProxy, in one of its scopes, or in `full` with both pods left out of it.
 */
export type World = 'plain' | 'naive' | 'off' | 'proxies' | 'full' | 'left out';

const PORT = 9200;

/** Where an application's socket is in no sockmap, with sidecars. */
export const MESH: readonly World[] = ['off', 'proxies', 'left out'];
/** Where an application's socket is in no sockmap. */
export const STACK: readonly World[] = ['plain', ...MESH];
/** Where it is in one. */
export const SOCKMAP: readonly World[] = ['naive', 'full'];

/** What {@link Worlds.observe} gives if each of these worlds saw the same. */
export function all<T>(worlds: readonly World[], seen: T): Partial<Record<World, T>> {
  return Object.fromEntries(worlds.map(world => [world, seen]));
}

/** Five bytes that wait at the server. */
export async function hello({ client, server }: Ends): Promise<void> {
  await client.get('send', 'hello');
  assert.equal(await server.get('arrived', 5), 'hello');
}

/** Sends a text from one end, and reads it at the other, which gets nothing else. */
export async function say(from: Ends['client'], to: Ends['client'], text: string): Promise<void> {
  await from.get('send', text);
  assert.equal(await to.get('recv', 64), text);
}

/** All worlds of a test file, side by side. */
export class Worlds implements AsyncDisposable {
  private constructor(
    readonly bed: Bed,
    readonly mesh: MeshAccelerator,
    readonly naive: NaiveSockmap,
    readonly pods: Readonly<Record<'client' | 'server' | 'plain' | 'naive', Pod>>,
  ) {}

  static async create(subnet: number): Promise<Worlds> {
    const bed = Bed.create({ subnet });
    try {
      const [client, server] = [bed.pod('client'), bed.pod('server')];
      const mesh = await enterMesh(bed, 'full');
      const pods = { client, server, plain: bed.pod('plain'), naive: bed.pod('naive') };
      const naive = await enterNaiveSockmap(pods.naive);
      await Promise.all([client, server].map(pod => startSidecar(pod, { kind: 'haproxy', mode: 'tcp', log: false })));
      return new Worlds(bed, mesh, naive, pods);
    } catch (error) {
      bed.close();
      throw error;
    }
  }

  /** A connection of two programs there. */
  async connect(world: World, ...options: 'mptcp'[]): Promise<Ends> {
    const { client, server } = this.pods;
    if (world === 'plain' || world === 'naive')
      return connectEnds(this.pods[world], this.pods[world], '127.0.0.1', PORT, ...options);
    this.mesh.acceleration = world === 'left out' ? 'full' : world;
    const acceleration = world === 'left out' ? 'proxies' : 'inherit';
    for (const pod of [client, server]) this.mesh.localPodIps.set(pod.address, { acceleration });
    return connectEnds(client, server, server.address, PORT, ...options);
  }

  /** What `body` sees in each of these worlds, on a connection of its own. */
  async observe<T>(
    worlds: readonly World[],
    body: (ends: Ends, world: World) => Promise<T>,
  ): Promise<Partial<Record<World, T>>> {
    const seen: Partial<Record<World, T>> = {};
    for (const world of worlds) {
      await using ends = await this.connect(world);
      try {
        seen[world] = await body(ends, world);
      } catch (cause) {
        throw new Error(`${world}: ${(cause as Error).message}`, { cause });
      }
    }
    return seen;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.naive[Symbol.dispose]();
    await this.mesh.close();
    this.bed.close();
  }
}
