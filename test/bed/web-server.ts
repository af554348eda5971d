import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from './pod';
import { type Service, startService } from './service';

/** Options of {@link startWebServer}. */
export interface WebServerOptions {
  readonly port?: number;
  readonly listen?: '0.0.0.0' | '::';
  /** Length of the answer's body (default 64 bytes). */
  readonly bodyBytes?: number;
}

export const WEB_PORT = 8080;
/** The application's user: anything but the sidecar's. */
export const APPLICATION_UID = 2000;

/**
 * A web server as a pod's application: HAProxy answering by itself.
 *
 * It is installed anyway and it is not the bottleneck: it answers several times what two sidecars can pass on, from one
 * thread.
 */
export function startWebServer(pod: Pod, options: WebServerOptions = {}): Promise<Service> {
  const { port = WEB_PORT, listen = '0.0.0.0', bodyBytes = 64 } = options;
  const config = join(pod.directory, `${pod.name}-web-${port}.cfg`);
  const body = join(pod.directory, `${pod.name}-web-${port}.body`);
  writeFileSync(body, 'x'.repeat(bodyBytes));
  writeFileSync(
    config,
    `
global
  maxconn 9000
  nbthread 1
  tune.bufsize ${Math.max(16_384, bodyBytes + 4096)}

defaults
  mode http
  option http-keep-alive
  timeout client 60s
  timeout http-keep-alive 60s
  timeout connect 1s
  timeout server 1s

frontend web
  bind ${listen === '::' ? `:::${port} v4v6` : `0.0.0.0:${port}`}
  http-request return status 200 content-type text/plain file ${body}
`,
  );
  return startService(pod, {
    name: `web-${port}`,
    command: 'haproxy',
    args: ['-db', '-f', config],
    uid: APPLICATION_UID,
    ports: [port],
  });
}
