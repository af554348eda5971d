/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a flow goes: the nat rules of Istio's sidecar (tools/istio-iptables/pkg/capture/run.go), in their order. A
 * decision reads maps and changes nothing. */
#ifndef MERBRIDGE_DECIDE_H
#define MERBRIDGE_DECIDE_H

#include "policy/flow.h"
#include "lib/netfilter.h"
#include "policy/rules.h"

/* What is to be done with a flow, and by which hop of the mesh: an enum mb_hop, or a variant of one. */
#define MB_VARIANT 8

enum mb_verdict {
	MB_VERDICT_KEEP = MB_HOP_NONE, /* it keeps its destination */
	MB_VERDICT_OUTBOUND = MB_HOP_OUTBOUND,
	MB_VERDICT_INBOUND = MB_HOP_INBOUND,   /* from a sidecar to that of another pod */
	MB_VERDICT_DELIVERY = MB_HOP_DELIVERY, /* it keeps its destination, too */
	MB_VERDICT_LOOP = MB_HOP_LOOP,
	MB_VERDICT_DIRECT = MB_HOP_DIRECT,
	/* The rules could not be read: it keeps its destination. */
	MB_VERDICT_UNREADABLE = MB_HOP_NONE | MB_VARIANT,
	/* Rules that redirect loopback destinations redirect the outbound port as well, all to one address. Then source
	 * ports can meet, and connection tracking of the pod may put another one into the packets. */
	MB_VERDICT_OUTBOUND_TRANSLATED = MB_HOP_OUTBOUND | MB_VARIANT,
	/* From a sidecar to its own pod. */
	MB_VERDICT_SELF_CALL = MB_HOP_INBOUND | MB_VARIANT,
};

static __always_inline __u8 mb_hop_of(enum mb_verdict verdict)
{
	return verdict & ~MB_VARIANT;
}

static __always_inline bool mb_redirects(enum mb_verdict verdict)
{
	__u8 hop = mb_hop_of(verdict);

	return hop == MB_HOP_OUTBOUND || hop == MB_HOP_INBOUND || hop == MB_HOP_DIRECT;
}

/* A sidecar that was not told what was dialled takes where it was reached for it, and would dial itself until it has no
 * descriptor left. What it would deliver to its own inbound port, and to an outbound port at an address that only a
 * connect hook gives out, is such. */
static __always_inline bool mb_is_loop(const struct mb_flow *flow, __u16 port)
{
	if (port == profile.inbound_port)
		return mb_is_ip4(&flow->source.address, profile.passthrough);
	return port == profile.outbound_port && mb_is_rotating_loopback(&flow->destination.address);
}

/* Chain ISTIO_OUTPUT of the pod that dials. */
static __always_inline enum mb_verdict mb_decide_output(const struct mb_flow *flow, const struct mb_rules_of *rules,
							bool is_uid, bool is_sidecar)
{
	const struct mb_address *destination = &flow->destination.address;
	__u16 port = bpf_ntohs(flow->destination.port);
	bool is_local = mb_is_local(flow);

	if (is_local && is_sidecar && mb_is_loop(flow, port))
		return MB_VERDICT_LOOP;
	/* --dport X RETURN, for whoever dials. */
	if (mb_lists_port(rules, MB_EXCLUDE_OUTBOUND_PORTS, port))
		return MB_VERDICT_KEEP;
	if (is_local) {
		bool is_called = !mb_is_localhost(destination) && port != profile.tunnel_port;

		/* -o lo -s 127.0.0.6/32 RETURN: a sidecar delivers to its application. */
		if (mb_is_ip4(&flow->source.address, profile.passthrough))
			return MB_VERDICT_DELIVERY;
		/* -o lo ! -d 127.0.0.1/32 ! --dport 15008 --uid-owner U: a sidecar calls its own pod, as if from
		 * outside. */
		if (is_uid && is_called)
			return MB_VERDICT_SELF_CALL;
		/* -o lo ! --uid-owner U RETURN, unless a range that is included begins in 127.0.0.0/8 or with ::1. */
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
static __always_inline enum mb_verdict mb_decide_input(const struct mb_flow *flow, bool is_sidecar)
{
	struct mb_rules_of rules;
	int unread;

	/* What was dialled is remembered for the address of the pod that dials. From an address that may be another
	 * pod's (IP_TRANSPARENT) nothing is: where the pod that is dialled has the mesh's own rules, they take it. */
	if (mb_is_set(&flow->source.address) && !mb_is_same(&flow->source.address, &flow->pod))
		return MB_VERDICT_KEEP;
	unread = mb_rules_of(&flow->destination.address, &rules);
	if (unread)
		return unread == -EAGAIN ? MB_VERDICT_UNREADABLE : MB_VERDICT_KEEP;
	if (!mb_takes_inbound(&rules, bpf_ntohs(flow->destination.port)))
		return MB_VERDICT_KEEP;
	if (is_sidecar)
		return MB_VERDICT_INBOUND;
	/* The mesh's own rules in this pod leave the port alone that is dialled, and need not leave the inbound port
	 * alone. Where they are in place, those of the pod that is dialled are, too. */
	return flow->net && mb_translates_output(flow->net) ? MB_VERDICT_KEEP : MB_VERDICT_DIRECT;
}

/* A global function: the verifier looks at it once, by itself, and not once for each way in which a hook can come to
 * its flow. So it does not know that there is one. */
__noinline enum mb_verdict mb_decide(const struct mb_flow *flow)
{
	bool is_uid, is_sidecar, is_local;
	struct mb_rules_of rules;
	enum mb_verdict verdict;
	int unread;

	if (!flow || !mb_is_set(&flow->pod))
		return MB_VERDICT_KEEP;
	is_uid = flow->uid == profile.sidecar_uid;
	is_sidecar = is_uid || flow->gid == profile.sidecar_gid;
	is_local = mb_is_local(flow);
	/* From a loopback address nothing leaves the pod: connect(2) answers EINVAL, before any rule is asked. */
	if (!is_local && mb_is_loopback(&flow->source.address))
		return MB_VERDICT_KEEP;
	unread = mb_rules_of(&flow->pod, &rules);
	if (unread)
		return unread == -EAGAIN ? MB_VERDICT_UNREADABLE : MB_VERDICT_KEEP;
	verdict = mb_decide_output(flow, &rules, is_uid, is_sidecar);
	return verdict == MB_VERDICT_KEEP && !is_local ? mb_decide_input(flow, is_sidecar) : verdict;
}

#endif
