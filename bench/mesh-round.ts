import {
  Bed, enterMesh, firstRequest, load, originalDestinations, startSidecar, startWebServer, WEB_PORT, type LoadResult, type Mode, type RequestResult,
} from '../test/bed';
import type { DemoOptions } from './demo-options';

/** What one fresh mesh did. */
export interface RoundResult {
  readonly first: RequestResult;
  readonly load: LoadResult;
  /** The address and port that the client dialled. */
  readonly dialled: string;
  /** What the client's sidecar was told that the client dialled. */
  readonly outbound: string;
  /** What the server's sidecar was told. */
  readonly inbound: string;
  readonly removed: readonly string[];
  readonly leftovers: readonly string[];
}

/**
 * Builds a mesh of two pods from nothing, asks once, loads it, and takes it away.
 *
 * The first request comes right after the sidecars listen, through nothing that was warmed up. The sidecars log it, so what they saw as
 * its original destination can be shown; then they are started anew without a log, which would be the bottleneck of the load.
 */
export async function meshRound(mode: Mode, options: DemoOptions): Promise<RoundResult> {
  const { sidecar: kind, connections, seconds, body } = options;
  const bed = Bed.create();
  let first, result, dialled, outbound, inbound;
  try {
    const client = bed.pod('client');
    const server = bed.pod('server');
    await using _mesh = await enterMesh(bed, mode);
    await startWebServer(server, { bodyBytes: body });
    dialled = `${server.address}:${WEB_PORT}`;
    const url = `http://${dialled}/`;

    const logging = await Promise.all([startSidecar(client, { kind }), startSidecar(server, { kind })]);
    first = await firstRequest(client, url);
    if (first.ok) await Promise.all(logging.map(sidecar => sidecar.logged(1)));
    outbound = originalDestinations(logging[0], 'outbound').join(' ');
    inbound = originalDestinations(logging[1], 'inbound').join(' ');
    await Promise.all(logging.map(sidecar => sidecar.stop()));

    await Promise.all([startSidecar(client, { kind, log: false }), startSidecar(server, { kind, log: false })]);
    result = await load(client, { url, connections, seconds });
  } catch (error) {
    bed.close();
    throw error;
  }
  const removed = bed.close();
  return { first, load: result, dialled, outbound, inbound, removed, leftovers: bed.leftovers() };
}
