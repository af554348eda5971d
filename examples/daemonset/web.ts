/** /healthz, /readyz and /metrics. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { oneLine } from './one-line';

/** What the pages say. Each is computed when it is asked for: nothing runs for them in between. */
export interface Pages {
  /** Why this process should be started anew; undefined if it should not. */
  unhealthy(): string | undefined;
  /** Why connections may not be redirected as they should; undefined if all is well. */
  unready(): string | undefined;
  /** Prometheus's text format. */
  metrics(): Promise<string>;
}

export async function serve(port: number, pages: Pages): Promise<{ server: Server; port: number }> {
  const server = createServer(
    {
      // Node.js looks for slow clients every 30 s, and so wakes an agent that has nothing to do. The time-out of the
      // socket does as well here.
      connectionsCheckingInterval: 0x7fffffff,
      keepAlive: false,
    },
    (request, response) => {
      const say = (status: number, text: string, contentType = 'text/plain; charset=utf-8'): void => {
        response.writeHead(status, { 'content-type': contentType, connection: 'close' });
        response.end(text);
      };
      const state = (problem: string | undefined): void =>
        say(problem === undefined ? 200 : 503, `${problem ?? 'ok'}\n`);
      if (request.method !== 'GET') return say(405, 'only GET\n');
      switch (request.url) {
        case '/healthz':
          return state(pages.unhealthy());
        case '/readyz':
          return state(pages.unready());
        case '/metrics':
          pages.metrics().then(
            text => say(200, text, 'text/plain; version=0.0.4; charset=utf-8'),
            (error: unknown) => say(500, `${oneLine(String(error))}\n`),
          );
          return;
        default:
          return say(404, 'there are /healthz, /readyz and /metrics\n');
      }
    },
  );
  server.timeout = 10_000;
  server.maxConnections = 32;
  server.listen(port);
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}
