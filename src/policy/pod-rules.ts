/**
 * Which connections of a pod go through its sidecar. What is left out is as without any rules: everything does, but for
 * the inbound ports that the profile excludes.
 *
 * The order is Istio's (tools/istio-iptables/pkg/capture/run.go). Outbound: excluded ports, for whoever dials; then
 * what the sidecar itself dials is let through; excluded ranges; included ports; included ranges. Inbound: the
 * profile's tunnel port is let through; then either the included ports are a list, and count alone, or they are `'*'`,
 * and the excluded ones are taken off.
 *
 * Ports are of TCP, 0 to 65535. Ranges are in CIDR notation, IPv4 or IPv6; bits behind the prefix do not matter. IPv6
 * ranges are kept, for a time when IPv6 is redirected.
 */
export interface PodRules {
  /** Ports of the pod whose connections go to the sidecar's inbound port. Default `'*'`. */
  readonly includeInboundPorts?: '*' | readonly number[] | undefined;
  /** Ports of the pod that do not. Without effect where `includeInboundPorts` is a list. */
  readonly excludeInboundPorts?: readonly number[] | undefined;
  /** Ports that go to the sidecar's outbound port wherever they are, unless the range is excluded. */
  readonly includeOutboundPorts?: readonly number[] | undefined;
  /** Ports that are dialled directly. */
  readonly excludeOutboundPorts?: readonly number[] | undefined;
  /** Addresses that go to the sidecar's outbound port. Default `'*'`. */
  readonly includeOutboundRanges?: '*' | readonly string[] | undefined;
  /** Addresses that are dialled directly. */
  readonly excludeOutboundRanges?: readonly string[] | undefined;
}
