/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A connection that a socket dials: the part of its 4-tuple that is known so far, and the process that dials. */
#ifndef MERBRIDGE_POLICY_FLOW_H
#define MERBRIDGE_POLICY_FLOW_H

#include "abi/address.h"
#include "lib/address.h"
#include "lib/bpf.h"
#include "lib/kernel.h"
#include "lib/pod.h"
#include "lib/sock-addr.h"

struct mb_flow {
	struct mb_endpoint source;      /* that the caller chose; address and port are zero where it did not */
	struct mb_endpoint destination; /* that the caller named; never 0.0.0.0 */
	struct mb_address pod;          /* that dials; all zero: none that is enrolled */
	__u64 netns;                    /* cookie of its network namespace */
	struct net *net;
	__u32 uid; /* of who made the socket */
	__u32 gid;
	__u8 protocol;
	__u8 pad[7];
};

/* User and group as the owner match of iptables takes them (net/netfilter/xt_owner.c): those of the file of the
 * socket, which are those of its creator. A socket without a file belongs to the kernel. Then those of the caller
 * count.
 */
static __always_inline void mb_read_owner(struct bpf_sock_addr *ctx, struct mb_flow *flow)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(ctx->sk);
	struct socket *socket = tcp ? tcp->inet_conn.icsk_inet.sk.sk_socket : NULL;
	struct file *file = socket ? BPF_CORE_READ(socket, file) : NULL;
	const struct cred *cred = file ? BPF_CORE_READ(file, f_cred) : NULL;
	__u64 ids = bpf_get_current_uid_gid();

	flow->uid = cred ? BPF_CORE_READ(cred, fsuid.val) : (__u32)ids;
	flow->gid = cred ? BPF_CORE_READ(cred, fsgid.val) : (__u32)(ids >> 32);
}

static __always_inline void mb_read_source(struct bpf_sock_addr *ctx, struct mb_flow *flow)
{
	/* An IPv6 socket that is bound to a mapped address has the IPv4 one as well. */
	if (ctx->sk->src_ip4)
		flow->source.address = mb_from_ip4(ctx->sk->src_ip4);
	flow->source.port = bpf_htons(ctx->sk->src_port);
}

/* A socket with IPV6_V6ONLY. The kernel runs this hook first. Then connect(2) to an IPv4-mapped address fails with
 * ENETUNREACH. */
static __always_inline bool mb_is_ip6_only(struct bpf_sock_addr *ctx)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(ctx->sk);

	return tcp && BPF_CORE_READ_BITFIELD(&tcp->inet_conn.icsk_inet.sk.__sk_common, skc_ipv6only);
}

/* Makes the flow of a connect hook. `flow` must be all zero before. False for connections that no mesh handles. */
static __always_inline bool mb_flow_of(struct bpf_sock_addr *ctx, const bool is_ip6, struct mb_flow *flow)
{
	__be32 pod;

	if (ctx->protocol != IPPROTO_TCP || ctx->user_family != (is_ip6 ? AF_INET6 : AF_INET))
		return false;
	flow->destination = mb_read_endpoint(ctx, is_ip6);
	if (!mb_is_mapped(&flow->destination.address) || (is_ip6 && mb_is_ip6_only(ctx)))
		return false;
	flow->netns = bpf_get_netns_cookie(ctx);
	/* The network namespace of the node: no pod of a mesh dials. */
	if (flow->netns == bpf_get_netns_cookie(NULL))
		return false;
	flow->protocol = ctx->protocol;
	mb_read_source(ctx, flow);
	/* connect(2) to 0.0.0.0 means this address. */
	if (mb_is_ip4(&flow->destination.address, 0))
		flow->destination.address =
			mb_is_set(&flow->source.address) ? flow->source.address : mb_from_ip4(bpf_htonl(MB_LOCALHOST));
	flow->net = mb_net_of(ctx->sk);
	pod = mb_own_pod(flow->net, flow->netns);
	if (!pod)
		return true;
	flow->pod = mb_from_ip4(pod);
	mb_read_owner(ctx, flow);
	return true;
}

/* A destination that never leaves the pod. */
static __always_inline bool mb_is_local(const struct mb_flow *flow)
{
	return mb_is_same(&flow->destination.address, &flow->pod) || mb_is_loopback(&flow->destination.address);
}

#endif
