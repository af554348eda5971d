/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a connection goes: the nat rules of Istio's sidecar (tools/istio-iptables/pkg/capture/run.go), in their order. */
#ifndef MERBRIDGE_REDIRECT_H
#define MERBRIDGE_REDIRECT_H

#include "netfilter.h"
#include "pod.h"
#include "rules.h"
#include "scope.h"

/* What a connect hook does to its context. */
struct mb_redirect {
	__be32 ip;
	__be16 port;    /* 0 = the destination stays as it is */
	__be32 source;  /* to bind to first; 0 = leave the source alone */
	__be32 pod;     /* that dials; 0 = none that is enrolled */
	__be32 dialled; /* what was dialled; never 0.0.0.0 */
	__u8 hop;       /* also where the destination stays as it is */
	__u8 drop;      /* enum mb_drop_reason */
};

/* User and group as the owner match of iptables takes them (net/netfilter/xt_owner.c): of the file of the socket, which are those of who made it.
 * A socket without one is the kernel's, and then the caller counts. */
static __always_inline void mb_owner_of(struct bpf_sock_addr *ctx, __u32 *uid, __u32 *gid)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(ctx->sk);
	struct socket *socket = tcp ? tcp->inet_conn.icsk_inet.sk.sk_socket : NULL;
	struct file *file = socket ? BPF_CORE_READ(socket, file) : NULL;
	const struct cred *cred = file ? BPF_CORE_READ(file, f_cred) : NULL;
	__u64 ids = bpf_get_current_uid_gid();

	*uid = cred ? BPF_CORE_READ(cred, fsuid.val) : (__u32)ids;
	*gid = cred ? BPF_CORE_READ(cred, fsgid.val) : (__u32)(ids >> 32);
}

/* A sidecar that was not told what was dialled takes where it was reached for it, and would dial itself until it has no descriptor left. What
 * it would deliver to its own inbound port, and to an outbound port at an address that only a connect hook gives out, is such. */
static __always_inline bool mb_is_loop(struct bpf_sock_addr *ctx, __be32 ip, __u16 port)
{
	if (port == profile.inbound_port)
		return ctx->sk->src_ip4 == profile.passthrough;
	return port == profile.outbound_port && mb_is_rotating_loopback(ip);
}

/* Chain ISTIO_OUTPUT of the pod that dials. MB_HOP_NONE: it leaves the connection alone. */
static __always_inline __u8 mb_decide_output(struct bpf_sock_addr *ctx, const struct mb_rules_of *rules, bool is_uid, bool is_gid,
					     bool is_local, __be32 ip, __u16 port)
{
	bool is_sidecar = is_uid || is_gid;

	if (is_local && is_sidecar && mb_is_loop(ctx, ip, port))
		return MB_HOP_LOOP;
	/* --dport X RETURN, for whoever dials. */
	if (mb_lists_port(rules, MB_EXCLUDE_OUTBOUND_PORTS, port))
		return MB_HOP_NONE;
	if (is_local) {
		bool is_called = ip != bpf_htonl(MB_LOCALHOST) && port != profile.tunnel_port;

		/* -o lo -s 127.0.0.6/32 RETURN: a sidecar delivers to its application. */
		if (ctx->sk->src_ip4 == profile.passthrough)
			return MB_HOP_DELIVERY;
		/* -o lo ! -d 127.0.0.1/32 ! --dport 15008 --uid-owner U: a sidecar calls its own pod, as if from outside. */
		if (is_uid && is_called)
			return MB_HOP_INBOUND;
		/* -o lo ! --uid-owner U RETURN, unless a range that is included begins in 127.0.0.0/8 or with ::1. */
		if (is_uid || !(rules->flags & MB_RULES_LOOPBACK))
			return MB_HOP_NONE;
		if (is_sidecar && is_called)
			return MB_HOP_INBOUND;
	}
	/* --uid-owner U RETURN, --gid-owner G RETURN. */
	if (is_sidecar || !mb_takes_outbound(rules, ip, port))
		return MB_HOP_NONE;
	return MB_HOP_OUTBOUND;
}

/* Chain ISTIO_INBOUND of the pod that is dialled, if it is one of this node. */
static __always_inline __u8 mb_decide_input(struct bpf_sock_addr *ctx, __be32 pod, bool is_sidecar, __be32 ip, __u16 port)
{
	struct mb_address destination = mb_from_ip4(ip);
	struct mb_rules_of rules;
	struct net *net;

	/* What was dialled is remembered for the address of the pod that dials. From an address that may be another pod's (IP_TRANSPARENT) nothing
	 * is: where the pod that is dialled has the mesh's own rules, they take it. */
	if (ctx->sk->src_ip4 && ctx->sk->src_ip4 != pod)
		return MB_HOP_NONE;
	if (!mb_enrolled(&destination) || !mb_rules_of(&destination, &rules) || !mb_takes_inbound(&rules, port))
		return MB_HOP_NONE;
	if (is_sidecar)
		return MB_HOP_INBOUND;
	/* The mesh's own rules in this pod leave the port alone that is dialled, and need not leave the inbound port alone. Where they are in
	 * place, those of the pod that is dialled are, too. */
	net = mb_net_of(ctx->sk);
	return net && mb_translates_output(net) ? MB_HOP_NONE : MB_HOP_DIRECT;
}

static __always_inline __u8 mb_decide(struct bpf_sock_addr *ctx, __be32 pod, __be32 ip, __u16 port, bool *translated)
{
	bool is_local = mb_is_local_destination(ip, pod);
	struct mb_address own = mb_from_ip4(pod);
	struct mb_rules_of rules;
	bool is_uid, is_gid;
	__u32 uid, gid;
	__u8 hop;

	/* From a loopback address nothing leaves the pod: connect(2) answers EINVAL, before any rule is asked. */
	if (!is_local && mb_is_loopback(ctx->sk->src_ip4))
		return MB_HOP_NONE;
	if (!mb_rules_of(&own, &rules))
		return MB_HOP_NONE;
	mb_owner_of(ctx, &uid, &gid);
	is_uid = uid == profile.sidecar_uid;
	is_gid = gid == profile.sidecar_gid;
	hop = mb_decide_output(ctx, &rules, is_uid, is_gid, is_local, ip, port);
	/* Rules that redirect loopback destinations redirect the outbound port as well, all to one address: then source ports can meet. */
	*translated = hop == MB_HOP_OUTBOUND && rules.flags & MB_RULES_LOOPBACK;
	return hop == MB_HOP_NONE && !is_local ? mb_decide_input(ctx, pod, is_uid || is_gid, ip, port) : hop;
}

/* The hop to a sidecar's own application keeps its destination, so it is remembered only if it will be accelerated. */
static __always_inline bool mb_worth_remembering(__u8 hop, __be32 pod)
{
	const struct mb_settings *settings = mb_settings();
	struct mb_address pods[2] = { mb_from_ip4(pod) };

	return hop != MB_HOP_DELIVERY || (settings && mb_in_scope(settings, pods, hop));
}

/* As under iptables a sidecar sees as its client what routing to the destination chose: the pod's own address, or 127.0.0.1. A source that the
 * caller chose stays: 0. */
static __always_inline __be32 mb_source(struct bpf_sock_addr *ctx, __be32 destination, __be32 pod)
{
	return ctx->sk->src_ip4 || ctx->sk->src_port || mb_is_loopback(destination) ? 0 : pod;
}

/* Decides, and remembers the decision on the socket. `to->port` is 0 where the destination stays as it is. */
static __always_inline void mb_redirect(struct bpf_sock_addr *ctx, __be32 ip, __be16 port, struct mb_redirect *to)
{
	__u64 netns = bpf_get_netns_cookie(ctx);
	struct mb_origin *origin;
	bool translated = false;
	__be32 pod;
	__u8 hop;

	/* The node's own network: no pod of a mesh, and no reason to look further. */
	if (netns == bpf_get_netns_cookie(NULL))
		return;
	/* What connect(2) takes 0.0.0.0 for. */
	if (!ip)
		ip = ctx->sk->src_ip4 ? ctx->sk->src_ip4 : bpf_htonl(MB_LOCALHOST);
	pod = mb_own_pod(ctx, netns);
	hop = pod ? mb_decide(ctx, pod, ip, bpf_ntohs(port), &translated) : MB_HOP_NONE;
	to->pod = pod;
	to->dialled = ip;
	to->hop = hop;
	if (hop == MB_HOP_LOOP) {
		to->drop = MB_DROP_LOOP;
		return;
	}
	if (hop == MB_HOP_NONE || !mb_worth_remembering(hop, pod)) {
		/* A socket may connect again, after a failure, to somewhere else. */
		bpf_sk_storage_delete(&socket_origin, ctx->sk);
		return;
	}
	origin = bpf_sk_storage_get(&socket_origin, ctx->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!origin) {
		to->drop = MB_DROP_NO_MEMORY;
		return;
	}
	__builtin_memset(origin, 0, sizeof(*origin));
	origin->destination.address = mb_from_ip4(ip);
	origin->destination.port = port;
	origin->pods[0] = mb_from_ip4(pod);
	origin->hop = hop;
	origin->translated = translated;
	if (hop == MB_HOP_DELIVERY)
		return;
	to->source = mb_source(ctx, ip, pod);
	if (hop == MB_HOP_OUTBOUND) {
		to->ip = mb_rotating_loopback();
		to->port = bpf_htons(profile.outbound_port);
		return;
	}
	to->port = bpf_htons(profile.inbound_port);
	if (mb_is_local_destination(ip, pod)) {
		/* REDIRECT sends what is local to 127.0.0.1. So must this: from a sidecar to any other address of its pod the mesh's own rules,
		 * where they are in place as well, would redirect once more. */
		to->ip = bpf_htonl(MB_LOCALHOST);
		return;
	}
	origin->pods[1] = origin->destination.address;
	to->ip = ip;
}

/* The pod's address could not be bound: the namespace has another address now. Forget it; this connection keeps its old path. */
static __always_inline void mb_forget(struct bpf_sock_addr *ctx, struct mb_redirect *to)
{
	__u64 netns = bpf_get_netns_cookie(ctx);

	bpf_map_delete_elem(&netns_pods, &netns);
	bpf_sk_storage_delete(&socket_origin, ctx->sk);
	to->drop = MB_DROP_NO_SOURCE;
	to->port = 0;
}

/* What in the end was done, and no more: each connection of an enrolled pod is sent to one of the two ports, keeps its destination, or fails. */
static __always_inline void mb_count_dial(const struct mb_redirect *to)
{
	if (!to->pod)
		return;
	if (to->drop)
		mb_count(MB_COUNT_HOOK_ERRORS, 1);
	if (to->drop == MB_DROP_LOOP)
		return;
	if (!to->port)
		mb_count(MB_COUNT_LEFT_ALONE, 1);
	else
		mb_count(to->hop == MB_HOP_OUTBOUND ? MB_COUNT_OUTBOUND : MB_COUNT_INBOUND, 1);
}

#endif
