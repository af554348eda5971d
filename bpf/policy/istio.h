/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The nat rules of Istio's sidecar (tools/istio-iptables/pkg/capture/run.go), in their order. */
#ifndef MERBRIDGE_POLICY_ISTIO_H
#define MERBRIDGE_POLICY_ISTIO_H

#include "lib/address.h"
#include "lib/bpf.h"
#include "lib/errno.h"
#include "lib/netfilter.h"
#include "maps/settings.h"
#include "policy/flow.h"
#include "policy/rules.h"
#include "policy/verdict.h"

static __always_inline bool mb_is_excluded_by_profile(__u16 port)
{
	for (int i = 0; i < MB_MAX_EXCLUDED; i++) {
		if (i >= profile.excluded_count)
			break;
		if (port == profile.excluded_inbound[i])
			return true;
	}
	return false;
}

/* Port 0 means that the mesh has no tunnel. A program may also connect to port 0. */
static __always_inline bool mb_is_tunnel(__u16 port)
{
	return profile.tunnel_port && port == profile.tunnel_port;
}

/* Chain ISTIO_INBOUND: does a connection into the pod go to its sidecar? */
static __always_inline bool mb_takes_inbound(const struct mb_rules_of *rules, __u16 port)
{
	if (mb_is_tunnel(port))
		return false;
	if (!(rules->flags & MB_RULES_ALL_INBOUND))
		return mb_lists_port(rules, MB_INBOUND_PORTS, port);
	return !mb_is_excluded_by_profile(port) && !mb_lists_port(rules, MB_INBOUND_PORTS, port);
}

/* The end of chain ISTIO_OUTPUT, for connections that the sidecar does not dial. */
static __always_inline bool mb_takes_outbound(const struct mb_rules_of *rules, const struct mb_address *address,
					      __u16 port)
{
	if (mb_is_localhost(address))
		return false;
	if (mb_lists_address(rules, MB_EXCLUDE_OUTBOUND_RANGES, address))
		return false;
	return (rules->flags & MB_RULES_ALL_OUTBOUND) || mb_lists_port(rules, MB_INCLUDE_OUTBOUND_PORTS, port) ||
	       mb_lists_address(rules, MB_INCLUDE_OUTBOUND_RANGES, address);
}

/* A sidecar that does not get the original destination uses the address at which it was reached instead, and would dial
 * itself until it has no file descriptor left. Such loops are connections of a sidecar to its own inbound port, and to
 * an outbound port at an address that only a connect hook assigns. Where the mesh has a passthrough address, a loop to
 * the inbound port comes from that address. Otherwise every such connection is refused: no sidecar has a reason to
 * connect to the inbound port of its own pod. */
static __always_inline bool mb_is_loop(const struct mb_flow *flow, __u16 port)
{
	if (port == profile.inbound_port)
		return !profile.passthrough || mb_is_ip4(&flow->source.address, profile.passthrough);
	return port == profile.outbound_port && mb_is_rotating_loopback(&flow->destination.address);
}

/* Chain ISTIO_OUTPUT of the pod that dials. */
static __always_inline enum mb_verdict mb_istio_output(const struct mb_flow *flow, const struct mb_rules_of *rules,
						       bool is_uid, bool is_sidecar)
{
	const struct mb_address *destination = &flow->destination.address;
	__u16 port = bpf_ntohs(flow->destination.port);
	bool is_local = mb_is_local(flow);

	if (is_local && is_sidecar && mb_is_loop(flow, port))
		return MB_VERDICT_LOOP;
	/* --dport X RETURN, whoever dials. */
	if (mb_lists_port(rules, MB_EXCLUDE_OUTBOUND_PORTS, port))
		return MB_VERDICT_KEEP;
	if (is_local) {
		bool is_called = !mb_is_localhost(destination) && !mb_is_tunnel(port);

		/* -o lo -s 127.0.0.6/32 RETURN: a sidecar delivers to its application. */
		if (mb_is_ip4(&flow->source.address, profile.passthrough))
			return MB_VERDICT_DELIVERY;
		/* -o lo ! -d 127.0.0.1/32 ! --dport 15008 --uid-owner U: a sidecar calls its own pod, as if from
		 * outside. */
		if (is_uid && is_called)
			return MB_VERDICT_SELF_CALL;
		/* -o lo ! --uid-owner U RETURN, unless an included range was written with an address in 127.0.0.0/8 or
		 * ::1. */
		if (is_uid || !(rules->flags & MB_RULES_LOOPBACK))
			return MB_VERDICT_KEEP;
		if (is_sidecar && is_called)
			return MB_VERDICT_SELF_CALL;
	}
	/* --uid-owner U RETURN, --gid-owner G RETURN. */
	if (is_sidecar || !mb_takes_outbound(rules, destination, port))
		return MB_VERDICT_KEEP;
	return rules->flags & MB_RULES_LOOPBACK ? MB_VERDICT_OUTBOUND_TRANSLATED : MB_VERDICT_OUTBOUND;
}

/* Chain ISTIO_INBOUND of the pod that is dialled, if it is one of this node. */
static __always_inline enum mb_verdict mb_istio_input(const struct mb_flow *flow, bool is_sidecar)
{
	struct mb_rules_of rules;
	int unread;

	/* The original destination is stored under the address of the pod that dials. A source address that may belong
	 * to another pod (IP_TRANSPARENT) is not redirected: if the dialled pod has the mesh's own rules, they redirect
	 * the connection. */
	if (mb_is_set(&flow->source.address) && !mb_is_same(&flow->source.address, &flow->pod))
		return MB_VERDICT_KEEP;
	unread = mb_rules_of(&flow->destination.address, &rules);
	if (unread)
		return unread == -EAGAIN ? MB_VERDICT_UNREADABLE : MB_VERDICT_KEEP;
	if (!mb_takes_inbound(&rules, bpf_ntohs(flow->destination.port)))
		return MB_VERDICT_KEEP;
	if (is_sidecar)
		return MB_VERDICT_INBOUND;
	/* The mesh's own rules in this pod do not redirect the dialled port, but may redirect the inbound port. If
	 * these rules exist here, they also exist in the dialled pod. */
	return flow->net && mb_translates_output(flow->net) ? MB_VERDICT_KEEP : MB_VERDICT_DIRECT;
}

#endif
