/** /healthz, /readyz and /metrics. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { oneLine } from './one-line';

/** Contents of the pages. Each is computed at a request; nothing runs in between. */
export interface Pages {
  /** Why this process should be restarted; undefined if it should not. */
  unhealthy(): string | undefined;
  /** Why connections may not be redirected correctly; undefined if there is no problem. */
  unready(): string | undefined;
  /** Prometheus's text format. */
  metrics(): Promise<string>;
}

export async function serve(port: number, pages: Pages): Promise<{ server: Server; port: number }> {
  const server = createServer(
    {
      // Node.js checks for slow clients every 30 s, which wakes an idle agent. The timeout of the socket is sufficient
      // here.
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
