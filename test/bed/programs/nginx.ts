import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from '../pod';
import { type Service, startService } from '../service';
import { APPLICATION_UID } from '../web-server';
import { applicationFolder } from './application-folder';
import { curl } from './curl';
import type { ClientProgram, ServerProgram, Site } from './program';
import { httpServer } from './python';

/** Temporary files that nginx asks for, whether it needs them or not. */
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** nginx as Debian configures it, but one process, so that it is the one that was started; with these servers. */
function start(pod: Pod, site: Site, name: string, port: number, servers: string): Promise<Service> {
  const folder = applicationFolder(join(site.scratch, name));
  const config = join(pod.directory, `${pod.name}-${name}.conf`);
  writeFileSync(
    config,
    `
daemon off;
master_process off;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 768; }
http {
  sendfile on;
  tcp_nopush on;
  gzip on;
  access_log off;
  client_max_body_size 0;
  proxy_http_version 1.1; # Envoy takes no 1.0
  ${TEMPORARY.map(what => `${what}_temp_path ${folder}/${what};`).join(' ')}
  ${servers}
}
`,
  );
  return startService(pod, {
    name,
    command: 'nginx',
    args: ['-e', `${folder}/error.log`, '-c', config],
    uid: APPLICATION_UID,
    ports: [port],
  });
}

/**
 * nginx with files of its own, and in front of another server for what it cannot do: take a body and tell what it was.
 */
export const nginx: ServerProgram = {
  name: 'nginx',
  port: 8001,
  uploads: ['/buffered', '/unbuffered'],
  start: (pod, site) =>
    start(
      pod,
      site,
      'nginx',
      8001,
      `server {
    listen 0.0.0.0:8001;
    root ${site.bodies};
    location /buffered { proxy_pass http://127.0.0.1:${httpServer.port}; }
    location /unbuffered { proxy_pass http://127.0.0.1:${httpServer.port}; proxy_request_buffering off; }
  }`,
    ),
};

/** curl through nginx as a reverse proxy, which keeps what it has in buffers and files, or passes it on at once. */
function proxy(name: string, port: number, buffering: 'on' | 'off'): ClientProgram {
  return {
    ...curl,
    name,
    startProxy: (pod, to, site) =>
      start(
        pod,
        site,
        name.replace(' ', '-'),
        port,
        `server {
      listen 127.0.0.1:${port};
      proxy_buffering ${buffering};
      proxy_request_buffering ${buffering};
      location ~ ^/(\\d+)(/.*)$ { proxy_pass http://${to.address}:$1$2; }
    }`,
      ),
    url: (server, path) => `http://127.0.0.1:${port}/${server}${path}`,
  };
}

export const nginxBuffered = proxy('nginx buffered', 8101, 'on');
export const nginxUnbuffered = proxy('nginx unbuffered', 8102, 'off');
