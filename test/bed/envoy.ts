import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { logLine } from './connection-log';
import type { SidecarPlan } from './sidecar';

/** The Envoy of this project's virtual environment, or the one in $ENVOY. */
export function envoyBinary(): string {
  const found = process.env.ENVOY ?? installed();
  if (!found || !existsSync(found)) {
    throw new Error(`no Envoy${found ? ` at ${found}` : ''}: run scripts/setup.sh --envoy, or set ENVOY to a binary`);
  }
  return found;
}

/** The binary inside the Python package; the command beside it is a script that needs Python to start. */
function installed(): string | undefined {
  const lib = resolve(__dirname, '../../.venv/lib');
  if (!existsSync(lib)) return undefined;
  return readdirSync(lib)
    .map(python => join(lib, python, 'site-packages/envoy/_bin/envoy'))
    .find(path => existsSync(path));
}

/** Whether tests with Envoy can run. */
export function hasEnvoy(): boolean {
  try {
    return Boolean(envoyBinary());
  } catch {
    return false;
  }
}

/**
 * Envoy's command line: no hot restart, or two Envoys of one machine would meet in shared memory; the access log
 * written soon, where the default is every ten seconds.
 */
export function envoyFlags(plan: SidecarPlan): string[] {
  return [
    '--concurrency',
    `${plan.threads}`,
    '--disable-hot-restart',
    '--log-level',
    'warn',
    '--file-flush-interval-msec',
    '50',
  ];
}

const type = (name: string): string => `type.googleapis.com/envoy.${name}`;

/**
 * Envoy with the listeners that Istio gives it: virtualOutbound and virtualInbound, each taking the original
 * destination from the socket and passing it on to an ORIGINAL_DST cluster; the inbound one dials from 127.0.0.6.
 */
export function envoyConfig(plan: SidecarPlan): string {
  return JSON.stringify(
    {
      node: { id: 'sidecar', cluster: 'bed' },
      static_resources: {
        listeners: [
          listener(plan, 'virtualOutbound', 'outbound', plan.outboundPort),
          listener(plan, 'virtualInbound', 'inbound', plan.inboundPort),
        ],
        clusters: [
          cluster(plan, 'PassthroughCluster', undefined),
          ...Object.entries(plan.services).map(([service, endpoint]) => serviceCluster(plan, service, endpoint)),
          cluster(plan, 'InboundPassthroughCluster', {
            source_address: address('127.0.0.6', 0),
            ...(plan.listen === '::' ? { extra_source_addresses: [{ address: address('::6', 0) }] } : {}),
          }),
        ],
      },
    },
    undefined,
    2,
  );
}

function address(host: string, port: number): object {
  return { address: host, port_value: port };
}

function listener(plan: SidecarPlan, name: string, side: 'outbound' | 'inbound', port: number): object {
  const socket = { ...address(plan.listen, port), ...(plan.listen === '::' ? { ipv4_compat: true } : {}) };
  return {
    name,
    traffic_direction: side.toUpperCase(),
    address: { socket_address: socket },
    tcp_backlog_size: plan.backlog,
    listener_filters: [
      {
        name: 'envoy.filters.listener.original_dst',
        typed_config: { '@type': type('extensions.filters.listener.original_dst.v3.OriginalDst') },
      },
    ],
    filter_chains: [
      ...(side === 'outbound' ? Object.keys(plan.services).map(service => serviceChain(plan, service)) : []),
      chain(plan, side, clusterOf[side]),
    ],
  };
}

const clusterOf = { outbound: 'PassthroughCluster', inbound: 'InboundPassthroughCluster' };

function chain(plan: SidecarPlan, side: 'outbound' | 'inbound', to: string): { readonly filters: readonly object[] } {
  return { filters: [plan.mode === 'http' ? httpFilter(plan, side, to) : tcpFilter(plan, side, to)] };
}

function hostAndPort(endpoint: string): [host: string, port: number] {
  const [host = '', port] = endpoint.split(':');
  return [host, Number(port)];
}

function serviceChain(plan: SidecarPlan, service: string): object {
  const [host, port] = hostAndPort(service);
  return {
    filter_chain_match: { prefix_ranges: [{ address_prefix: host, prefix_len: 32 }], destination_port: port },
    ...chain(plan, 'outbound', service),
  };
}

function serviceCluster(plan: SidecarPlan, service: string, endpoint: string): object {
  const { lb_policy: _, ...common } = cluster(plan, service, undefined);
  const target = { endpoint: { address: { socket_address: address(...hostAndPort(endpoint)) } } };
  return {
    ...common,
    type: 'STATIC',
    load_assignment: { cluster_name: service, endpoints: [{ lb_endpoints: [target] }] },
  };
}

function httpFilter(plan: SidecarPlan, side: 'outbound' | 'inbound', to: string): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': type('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
      stat_prefix: side,
      generate_request_id: false,
      route_config: {
        name: side,
        virtual_hosts: [
          {
            name: 'any',
            domains: ['*'],
            routes: [{ match: { prefix: '/' }, route: { cluster: to, timeout: '0s' } }],
          },
        ],
      },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': type('extensions.filters.http.router.v3.Router'), suppress_envoy_headers: true },
        },
      ],
      access_log: accessLog(plan, side),
    },
  };
}

function tcpFilter(plan: SidecarPlan, side: 'outbound' | 'inbound', to: string): object {
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typed_config: {
      '@type': type('extensions.filters.network.tcp_proxy.v3.TcpProxy'),
      stat_prefix: side,
      cluster: to,
      access_log: accessLog(plan, side),
    },
  };
}

function accessLog(plan: SidecarPlan, side: 'outbound' | 'inbound'): object[] {
  if (!plan.log) return [];
  const line = logLine(
    side,
    '%DOWNSTREAM_LOCAL_ADDRESS%',
    '%DOWNSTREAM_REMOTE_ADDRESS%',
    '%UPSTREAM_HOST%',
    '%RESPONSE_CODE%',
    '%RESPONSE_FLAGS%',
  );
  return [
    {
      name: 'envoy.access_loggers.file',
      typed_config: {
        '@type': type('extensions.access_loggers.file.v3.FileAccessLog'),
        path: plan.logPath,
        log_format: { text_format_source: { inline_string: `${line}\n` } },
      },
    },
  ];
}

function cluster(plan: SidecarPlan, name: string, bind: object | undefined): Record<string, unknown> {
  const many = 4294967295; // as Istio sets them: the default of 1024 would be the mesh's limit, not the datapath's
  return {
    name,
    type: 'ORIGINAL_DST',
    lb_policy: 'CLUSTER_PROVIDED',
    connect_timeout: `${plan.connectSeconds}s`,
    circuit_breakers: {
      thresholds: [{ max_connections: many, max_pending_requests: many, max_requests: many, max_retries: many }],
    },
    ...(bind ? { upstream_bind_config: bind } : {}),
    ...(plan.mode === 'http'
      ? {
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': type('extensions.upstreams.http.v3.HttpProtocolOptions'),
              explicit_http_config: { http_protocol_options: {} },
            },
          },
        }
      : {}),
  };
}
