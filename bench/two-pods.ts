import type { MeshAccelerator } from 'merbridge';
import { Bed, startWebServer, WEB_PORT, type Pod } from '../test/bed';

/** For sysctl: as many ports as a pod can have for connections to one destination. */
export const ALL_PORTS = 'net.ipv4.ip_local_port_range=1024 65535';

/** A client and a web server, each in a pod of one mesh. Their sidecars are to be started. */
export interface TwoPods {
  readonly bed: Bed;
  readonly client: Pod;
  readonly server: Pod;
  /** Undefined under iptables. */
  readonly mesh: MeshAccelerator | undefined;
  /** The address and port that the client dials. */
  readonly dialled: string;
  readonly url: string;
}

/** What a run in two pods returned, and what was there after it. */
export interface Finished<T> {
  readonly result: T;
  readonly removed: readonly string[];
  readonly leftovers: readonly string[];
}

/**
 * Builds a mesh of two pods from nothing, runs something in it, and takes it away, also after a failure.
 *
 * @param enter - brings the pods into their mesh
 * @param body - length of each answer of the web server in bytes
 */
export async function inTwoPods<T>(
  enter: (bed: Bed) => Promise<MeshAccelerator | undefined>,
  body: number,
  run: (pods: TwoPods) => Promise<T>,
): Promise<Finished<T>> {
  const bed = Bed.create();
  let result;
  try {
    const client = bed.pod('client');
    const server = bed.pod('server');
    await using mesh = await enter(bed);
    await startWebServer(server, { bodyBytes: body });
    const dialled = `${server.address}:${WEB_PORT}`;
    result = await run({ bed, client, server, mesh, dialled, url: `http://${dialled}/` });
  } catch (error) {
    bed.close();
    throw error;
  }
  const removed = bed.close();
  return { result, removed, leftovers: bed.leftovers() };
}

/**
 * The same for a measurement, of which nothing but the result counts.
 *
 * @param name - what is measured, for people
 * @throws Error if something is left after it
 */
export async function measureInTwoPods<T>(name: string, ...how: Parameters<typeof inTwoPods<T>>): Promise<T> {
  const { result, leftovers } = await inTwoPods(...how);
  if (leftovers.length > 0) throw new Error(`left by ${name}: ${leftovers.join(', ')}`);
  return result;
}
