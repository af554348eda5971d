import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pod } from '../pod';
import { type Service, startService } from '../service';
import { APPLICATION_UID } from '../web-server';
import { applicationFolder } from './application-folder';
import { curl } from './curl';
import type { ClientProgram, ServerProgram, Site } from './program';
import { httpServer } from './python';

const MODULES = ['mpm_event', 'authz_core', 'proxy', 'proxy_http'];

/** Apache httpd in one process (`-X`), so that it is the one that was started; with this beside its own defaults. */
function start(pod: Pod, site: Site, name: string, listen: string, more: string): Promise<Service> {
  const folder = applicationFolder(join(site.scratch, name));
  const config = join(pod.directory, `${pod.name}-${name}.conf`);
  writeFileSync(
    config,
    `
ServerRoot /usr/lib/apache2
${MODULES.map(module => `LoadModule ${module}_module modules/mod_${module}.so`).join('\n')}
ServerName pod
DefaultRuntimeDir ${folder}
PidFile ${folder}/pid
ErrorLog ${folder}/error.log
Listen ${listen}
DocumentRoot ${site.bodies}
${more}
`,
  );
  const port = Number(listen.split(':')[1]);
  return startService(pod, {
    name,
    command: 'apache2',
    args: ['-X', '-f', config],
    uid: APPLICATION_UID,
    ports: [port],
  });
}

/** Apache httpd with files of its own, and in front of another server for bodies that it is sent. */
export const apache: ServerProgram = {
  name: 'Apache httpd',
  port: 8002,
  uploads: ['/upload'],
  start: (pod, site) =>
    start(pod, site, 'apache', '0.0.0.0:8002', `ProxyPass /upload http://127.0.0.1:${httpServer.port}/upload`),
};

/** curl through Apache httpd as a reverse proxy. */
export const apacheProxy: ClientProgram = {
  ...curl,
  name: 'Apache proxy',
  startProxy: (pod, to, site) =>
    start(pod, site, 'apache-proxy', '127.0.0.1:8103', `ProxyPassMatch ^/(\\d+)(/.*)$ http://${to.address}:$1$2`),
  url: (server, path) => `http://127.0.0.1:8103/${server}${path}`,
};
