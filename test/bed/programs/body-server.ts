import { startService } from '../service';
import { APPLICATION_UID } from '../web-server';
import type { ServerProgram, Site } from './program';

/**
 * A server of `apps/programs/`: it gives bodies out and takes them.
 *
 * @param service - names it in its pod
 * @param command - what runs it; its port and the folder of bodies come behind
 */
export function bodyServer(
  name: string,
  port: number,
  service: string,
  command: (site: Site) => readonly [string, ...string[]],
  timeoutMs = 30_000,
): ServerProgram {
  return {
    name,
    port,
    uploads: ['/upload'],
    start: (pod, site) => {
      const [program, ...args] = command(site);
      return startService(pod, {
        name: service,
        command: program,
        args: [...args, `${port}`, site.bodies],
        uid: APPLICATION_UID,
        ports: [port],
        timeoutMs,
      });
    },
  };
}
