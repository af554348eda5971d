/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Applies a verdict to the socket, which stores the original destination, and to the context. */
#ifndef MERBRIDGE_ACTIONS_APPLY_H
#define MERBRIDGE_ACTIONS_APPLY_H

#include "abi/events.h"
#include "lib/address.h"
#include "lib/bpf.h"
#include "lib/sock-addr.h"
#include "maps/pods.h"
#include "maps/settings.h"
#include "maps/sockets.h"
#include "policy/acceleration.h"
#include "policy/flow.h"
#include "policy/verdict.h"

/* What was actually done with a flow. */
struct mb_outcome {
	struct mb_endpoint target; /* where it goes */
	bool redirected;
	__u8 drop; /* enum mb_drop_reason: why the verdict could not be applied, or that it was to refuse the flow */
};

/* The hop to a sidecar's own application keeps its destination, so it is stored only if it will be accelerated. */
static __always_inline bool mb_is_worth_remembering(const struct mb_flow *flow, enum mb_verdict verdict)
{
	const struct mb_settings *settings;
	struct mb_address pods[2] = { flow->pod };

	if (verdict != MB_VERDICT_DELIVERY)
		return mb_redirects(verdict);
	settings = mb_settings();
	return settings && mb_may_accelerate(settings, pods, MB_HOP_DELIVERY);
}

/* Stores the original destination for getpeername, sockops and getsockopt. */
static __always_inline bool mb_remember(struct bpf_sock_addr *ctx, const struct mb_flow *flow, enum mb_verdict verdict)
{
	struct mb_original_destination *original =
		bpf_sk_storage_get(&socket_origin, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);

	if (!original)
		return false;
	__builtin_memset(original, 0, sizeof(*original));
	original->destination = flow->destination;
	original->pods[0] = flow->pod;
	if (verdict == MB_VERDICT_INBOUND || verdict == MB_VERDICT_DIRECT)
		original->pods[1] = flow->destination.address;
	original->hop = mb_hop_of(verdict);
	original->translated = verdict == MB_VERDICT_OUTBOUND_TRANSLATED;
	return true;
}

static __always_inline struct mb_endpoint mb_target_of(const struct mb_flow *flow, enum mb_verdict verdict)
{
	bool is_outbound = mb_hop_of(verdict) == MB_HOP_OUTBOUND;
	struct mb_endpoint target = { .port = bpf_htons(is_outbound ? profile.outbound_port : profile.inbound_port) };

	if (is_outbound)
		target.address = mb_rotating_loopback();
	/* REDIRECT sends local connections to 127.0.0.1. This must do the same: if the mesh's own rules exist, too,
	 * they would redirect a connection from a sidecar to any other address of its pod once more. */
	else if (verdict == MB_VERDICT_SELF_CALL)
		target.address = mb_from_ip4(bpf_htonl(MB_LOCALHOST));
	else
		target.address = flow->destination.address;
	return target;
}

/* As with iptables, a sidecar sees the client address that routing to the destination chose: the pod's own address, or
 * 127.0.0.1. A source address that the caller chose is kept. */
static __always_inline bool mb_needs_source(const struct mb_flow *flow)
{
	return !mb_is_set(&flow->source.address) && !flow->source.port && !mb_is_loopback(&flow->destination.address);
}

/* Returns whether connect(2) may proceed. */
static __always_inline bool mb_apply(struct bpf_sock_addr *ctx, const bool is_ip6, const struct mb_flow *flow,
				     enum mb_verdict verdict, struct mb_outcome *outcome)
{
	outcome->target = flow->destination;
	if (verdict == MB_VERDICT_LOOP) {
		outcome->drop = MB_DROP_LOOP;
		return false;
	}
	if (!mb_is_worth_remembering(flow, verdict)) {
		/* A socket may connect again after a failure, to another destination. */
		bpf_sk_storage_delete(&socket_origin, ctx->sk);
		return true;
	}
	if (!mb_remember(ctx, flow, verdict)) {
		outcome->drop = MB_DROP_NO_MEMORY;
		return true;
	}
	if (!mb_redirects(verdict))
		return true;
	if (mb_needs_source(flow) && mb_bind(ctx, is_ip6, &flow->pod)) {
		/* The namespace has another address now. Delete the cached pod. This connection keeps its old path. */
		bpf_map_delete_elem(&netns_pods, &flow->netns);
		bpf_sk_storage_delete(&socket_origin, ctx->sk);
		outcome->drop = MB_DROP_NO_SOURCE;
		return true;
	}
	outcome->target = mb_target_of(flow, verdict);
	outcome->redirected = true;
	mb_write_endpoint(ctx, is_ip6, &outcome->target);
	return true;
}

#endif
