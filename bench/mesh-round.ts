import {
  enterMesh,
  firstRequest,
  load,
  originalDestinations,
  startSidecar,
  type LoadResult,
  type Mode,
  type RequestResult,
} from '../test/bed';
import type { Options } from './options';
import { inTwoPods } from './two-pods';

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
 * The first request comes right after the sidecars listen, through nothing that was warmed up. The sidecars log it, so
 * what they saw as its original destination can be shown; then they are started anew without a log, which would be the
 * bottleneck of the load.
 */
export async function meshRound(mode: Mode, options: Options): Promise<RoundResult> {
  const { sidecar: kind, seconds, body } = options;
  const connections = options.connections[0] ?? 1;
  const { result, removed, leftovers } = await inTwoPods(
    bed => enterMesh(bed, mode),
    body,
    async ({ client, server, dialled, url }) => {
      const logging = await Promise.all([startSidecar(client, { kind }), startSidecar(server, { kind })]);
      const first = await firstRequest(client, url);
      if (first.ok) await Promise.all(logging.map(sidecar => sidecar.logged(1)));
      const outbound = originalDestinations(logging[0], 'outbound').join(' ');
      const inbound = originalDestinations(logging[1], 'inbound').join(' ');
      await Promise.all(logging.map(sidecar => sidecar.stop()));

      await Promise.all([startSidecar(client, { kind, log: false }), startSidecar(server, { kind, log: false })]);
      return { first, dialled, outbound, inbound, load: await load(client, { url, connections, seconds }) };
    },
  );
  return { ...result, removed, leftovers };
}
