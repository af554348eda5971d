import { logLine } from './connection-log';
import type { SidecarPlan } from './sidecar';

/**
 * HAProxy as a mesh sidecar.
 *
 * A server with the address 0.0.0.0 stands for "where the client wanted to go": HAProxy asks getsockopt with
 * SO_ORIGINAL_DST on accept. The inbound side dials from 127.0.0.6, by which Istio's rules know that it means the
 * application. No retries: what the datapath loses must show.
 */
export function haproxyConfig(plan: SidecarPlan): string {
  const http = plan.mode === 'http';
  if (plan.listen === '::') {
    throw new Error('HAProxy asks for the original destination on IPv4 sockets only: use Envoy for a sidecar on ::');
  }
  const services = Object.entries(plan.services)
    .map(([service, endpoint], index) => {
      const [address, port] = service.split(':');
      return `  use-server service-${index} if { dst ${address} } { dst_port ${port} }\n  server service-${index} ${endpoint} weight 0\n`;
    })
    .join('');
  const side = (name: string, port: number, source: string): string => `
listen ${name}
  bind 0.0.0.0:${port}
${plan.log ? `  log-format "${logLine(name, '%[dst]:%[dst_port]', '%ci:%cp', '%si:%sp', http ? '%ST' : '0', '%ts')}"` : ''}
${source}  server original 0.0.0.0
`;
  return `
global
  maxconn ${plan.splice ? 2000 : 9000}
  nbthread ${plan.threads}
${plan.log ? '  log stdout format raw local0' : ''}

defaults
  mode ${plan.mode}
${plan.log ? '  log global' : ''}
${http ? '  option http-keep-alive\n  option dontlognull\n  http-reuse safe' : ''}
${plan.splice ? '  option splice-request\n  option splice-response\n' : ''}  retries 0
  backlog ${plan.backlog}
  timeout connect ${plan.connectSeconds}s
  timeout client 60s
  timeout server 60s
  timeout client-fin 60s
  timeout http-request 60s
  timeout http-keep-alive 60s
${side('outbound', plan.outboundPort, services)}${side('inbound', plan.inboundPort, '  source 127.0.0.6\n')}`;
}
