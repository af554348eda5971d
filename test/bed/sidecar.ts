import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Connection, parseLog } from './connection-log';
import { envoyBinary, envoyConfig, envoyFlags } from './envoy';
import { haproxyConfig } from './haproxy';
import type { Pod } from './pod';
import { type Service, createFile, startService } from './service';
import { until } from './shell';

export const SIDECAR_KINDS = ['haproxy', 'envoy'] as const;
export type SidecarKind = (typeof SIDECAR_KINDS)[number];

/** Istio's ports and user. */
export const OUTBOUND_PORT = 15001;
export const INBOUND_PORT = 15006;
export const SIDECAR_UID = 1337;

/** Options of {@link startSidecar}. */
export interface SidecarOptions {
  readonly kind: SidecarKind;
  /** `http` terminates requests and pools connections, `tcp` passes streams through (default http). */
  readonly mode?: 'http' | 'tcp';
  /** `::` listens for both families on one socket, Envoy only (default 0.0.0.0). */
  readonly listen?: '0.0.0.0' | '::';
  /** Threads, 1 or 2 (default 1: a pod's sidecar is small, and this machine holds several). */
  readonly threads?: number;
  /**
   * Services by their address and port, each with the endpoint to which the outbound side sends it (default none), as
   * istiod would tell it.
   */
  readonly services?: Readonly<Record<string, string>>;
  /** Whether to log every request or stream with its original destination (default true). Off for benchmarks. */
  readonly log?: boolean;
  /**
   * Moves bytes by splice(2), HAProxy only (default false, which is HAProxy's). Takes two pipes a connection, so it
   * serves fewer.
   */
  readonly splice?: boolean;
  /** How long it waits for a connection that it dials, in seconds (default 5). */
  readonly connectSeconds?: number;
  /** How many connections may wait for it to accept them, at most net.core.somaxconn (default 4096). */
  readonly backlog?: number;
  readonly uid?: number;
  readonly outboundPort?: number;
  readonly inboundPort?: number;
  readonly timeoutMs?: number;
}

/** What a configuration is written from. @internal */
export type SidecarPlan = Required<Omit<SidecarOptions, 'timeoutMs' | 'uid' | 'kind'>> & { readonly logPath: string };

/** A mesh sidecar: a plain proxy that asks the kernel where each connection wanted to go. */
export class Sidecar {
  #forgotten = 0;

  constructor(
    readonly kind: SidecarKind,
    readonly service: Service,
    readonly logPath: string,
  ) {}

  get pod(): Pod {
    return this.service.pod;
  }

  get pid(): number {
    return this.service.pid;
  }

  /** Everything the sidecar logged: one entry per request (http) or stream (tcp). */
  connections(): Connection[] {
    return parseLog(readFileSync(this.logPath).toString('utf8', this.#forgotten));
  }

  /** The same once at least `count` entries are there: proxies log at the end, and a little later. */
  async logged(count: number, timeoutMs?: number): Promise<Connection[]> {
    await until(
      `${count} entries in the log of ${this.service.name}`,
      () => this.connections().length >= count,
      timeoutMs,
      () => `, only ${this.connections().length}`,
    );
    return this.connections();
  }

  /**
   * Forgets what was logged so far. The file stays as it is: HAProxy does not append, so after a truncation it would
   * leave a hole.
   */
  clearLog(): void {
    this.#forgotten = statSync(this.logPath).size;
  }

  stop(signal?: NodeJS.Signals): Promise<void> {
    return this.service.stop(signal);
  }
}

let serial = 0;

/** Starts an unmodified HAProxy or Envoy as a pod's sidecar and waits until it listens on both ports. */
export async function startSidecar(pod: Pod, options: SidecarOptions): Promise<Sidecar> {
  const { kind, uid = SIDECAR_UID, timeoutMs } = options;
  const name = `${kind}-${++serial}`; // a pod may be given a new sidecar after the first died
  const logPath = createFile(pod, `${pod.name}-${name}.log`, uid);
  const plan: SidecarPlan = {
    mode: options.mode ?? 'http',
    listen: options.listen ?? '0.0.0.0',
    threads: options.threads ?? 1,
    services: options.services ?? {},
    log: options.log ?? true,
    splice: options.splice ?? false,
    connectSeconds: options.connectSeconds ?? 5,
    backlog: options.backlog ?? 4096,
    outboundPort: options.outboundPort ?? OUTBOUND_PORT,
    inboundPort: options.inboundPort ?? INBOUND_PORT,
    logPath,
  };
  const config = join(pod.directory, `${pod.name}-${name}.${kind === 'envoy' ? 'json' : 'cfg'}`);
  writeFileSync(config, kind === 'envoy' ? envoyConfig(plan) : haproxyConfig(plan));
  const [command, args] =
    kind === 'envoy' ? [envoyBinary(), ['-c', config, ...envoyFlags(plan)]] : ['haproxy', ['-db', '-f', config]];
  const service = await startService(pod, {
    name,
    command,
    args,
    uid,
    ports: [plan.outboundPort, plan.inboundPort],
    timeoutMs,
  });
  return new Sidecar(kind, service, kind === 'haproxy' ? service.outputPath : logPath);
}

/** The original destinations a sidecar saw, in order, as `address:port`; one side only if asked. */
export function originalDestinations(sidecar: Sidecar, side?: Connection['side']): string[] {
  return sidecar
    .connections()
    .filter(c => side === undefined || c.side === side)
    .map(c => c.destination);
}
