import { apache, apacheProxy } from './apache';
import { curl } from './curl';
import { go, goClient } from './go';
import { java, javaHttpClient, javaUrlConnection } from './java';
import { nginx, nginxBuffered, nginxUnbuffered } from './nginx';
import { node, nodeClient } from './node';
import type { ClientProgram, ServerProgram } from './program';
import { aiohttp, aiohttpClient, httpClient, httpServer } from './python';

export const SERVERS: readonly ServerProgram[] = [nginx, apache, aiohttp, httpServer, node, go, java];
export const CLIENTS: readonly ClientProgram[] = [
  curl,
  nginxBuffered,
  nginxUnbuffered,
  apacheProxy,
  aiohttpClient,
  httpClient,
  nodeClient,
  goClient,
  javaHttpClient,
  javaUrlConnection,
];

/** Bodies from a client to a server, to this path of it; or, without a path, from the server to the client. */
export interface Route {
  readonly client: ClientProgram;
  readonly server: ServerProgram;
  readonly upload?: string;
}

/**
 * Who asks whom: every server is asked by curl, every client asks nginx, and each language its own server; both proxies
 * stand before blocking and other servers, too.
 */
const PAIRS: readonly (readonly [ClientProgram, ServerProgram])[] = [
  ...SERVERS.map(server => [curl, server] as const),
  ...CLIENTS.filter(client => client !== curl).map(client => [client, nginx] as const),
  [aiohttpClient, aiohttp],
  [httpClient, httpServer],
  [nodeClient, node],
  [goClient, go],
  [javaHttpClient, java],
  [javaUrlConnection, java],
  [nginxBuffered, httpServer],
  [nginxUnbuffered, node],
  [apacheProxy, apache],
];

/** All routes, up and down. */
export const ROUTES: readonly Route[] = PAIRS.flatMap(([client, server]) => [
  { client, server },
  ...server.uploads.map(upload => ({ client, server, upload })),
]);

/** A route in words. */
export function routeName({ client, server, upload }: Route): string {
  return upload === undefined
    ? `${client.name} <- ${server.name}`
    : `${client.name} -> ${server.name}${server.uploads.length > 1 ? ` ${upload.slice(1)}` : ''}`;
}
