/**
 * Serves the metrics of a mesh at /metrics, for Prometheus.
 *
 *   metrics.ts PIN_DIRECTORY [PORT]      a mesh that an agent has pinned; the agent need not be alive
 *   metrics.ts --cgroup CGROUP [PORT]    a mesh of this process
 *
 * PORT 0, the default, selects a free port. It listens on the loopback address only.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MeshAccelerator, PinnedMesh } from 'merbridge';
import { registerMeshMetrics } from 'merbridge/metrics';
import { collectDefaultMetrics, register } from 'prom-client';

async function main(args: readonly string[]): Promise<void> {
  const own = args[0] === '--cgroup';
  const [place, port = '0'] = own ? args.slice(1) : args;
  if (place === undefined) throw new Error('usage: metrics.ts PIN_DIRECTORY [PORT] | --cgroup CGROUP [PORT]');
  const mesh = own ? await MeshAccelerator.start({ cgroup: place }) : PinnedMesh.open(place);
  registerMeshMetrics({ registry: register, mesh });
  collectDefaultMetrics(); // also those of this process

  const server = createServer((request, response) => {
    if (request.url !== '/metrics') return void response.writeHead(404).end();
    register.metrics().then(
      text => response.setHeader('content-type', register.contentType).end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  const stop = (): void => {
    server.close();
    void mesh.close();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  server.listen(Number(port), '127.0.0.1', () =>
    console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`),
  );
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
