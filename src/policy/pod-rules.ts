/**
 * Rules that select the connections of a pod that go through its sidecar. A property that is left out has its default.
 * Without any rules all connections do, except those to the inbound ports that the profile excludes.
 *
 * The order is that of Istio (tools/istio-iptables/pkg/capture/run.go):
 *
 * - Outbound: excluded ports, whoever dials; then connections that the sidecar itself dials are not redirected;
 *   excluded ranges; included ports; included ranges.
 * - Inbound: the profile's tunnel port is not redirected. Then, if the included ports are a list, only they are
 *   redirected. If they are `'*'`, all ports except the excluded ones are.
 *
 * Ports are TCP ports, 0 to 65535. Ranges are in CIDR notation, IPv4 or IPv6. Address bits beyond the prefix are
 * ignored. IPv6 ranges are stored for a later version that redirects IPv6.
 */
export interface PodRules {
  /** Ports of the pod that are redirected to the sidecar's inbound port. Default: `'*'`. */
  readonly includeInboundPorts?: '*' | readonly number[] | undefined;
  /** Ports of the pod that are not redirected. Without effect if `includeInboundPorts` is a list. */
  readonly excludeInboundPorts?: readonly number[] | undefined;
  /** Destination ports that are redirected to the sidecar's outbound port, at any address that is not excluded. */
  readonly includeOutboundPorts?: readonly number[] | undefined;
  /** Destination ports that are not redirected. */
  readonly excludeOutboundPorts?: readonly number[] | undefined;
  /** Destination addresses that are redirected to the sidecar's outbound port. Default: `'*'`. */
  readonly includeOutboundRanges?: '*' | readonly string[] | undefined;
  /** Destination addresses that are not redirected. */
  readonly excludeOutboundRanges?: readonly string[] | undefined;
}
