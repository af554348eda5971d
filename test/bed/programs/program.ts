import type { Pod } from '../pod';
import type { Service } from '../service';

/** What the programs of a bed are given, in folders that any user may read. */
export interface Site {
  /** Bodies, each in a file that is named by its length. */
  readonly bodies: string;
  /** The programs of `apps/programs/`. */
  readonly apps: string;
  /** For what they write. */
  readonly scratch: string;
}

/** A server as an application of the pod that is asked. */
export interface ServerProgram {
  readonly name: string;
  readonly port: number;
  /** Where it takes bodies, and tells their length and SHA-256. */
  readonly uploads: readonly string[];
  start(pod: Pod, site: Site): Promise<Service>;
}

/**
 * A client as an application of the pod that asks: it reads requests from its standard input, one a line, and answers
 * what it got.
 */
export interface ClientProgram {
  readonly name: string;
  command(site: Site): readonly [string, ...string[]];
  /** A reverse proxy of that pod, through which it asks. */
  startProxy?(pod: Pod, to: Pod, site: Site): Promise<Service>;
  /** Address of a path of a server, if not the server's own. */
  url?(port: number, path: string): string;
}
