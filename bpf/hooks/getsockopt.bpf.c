/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup/getsockopt: answers SO_ORIGINAL_DST for the connections that connect redirected. */
#include <linux/in6.h>
#include "abi/counters.h"
#include "abi/events.h"
#include "abi/hop.h"
#include "actions/report-unknown-destination.h"
#include "actions/send-event.h"
#include "lib/bpf.h"
#include "lib/count.h"
#include "lib/pod.h"
#include "maps/pods.h"
#include "maps/sockets.h"

#define SOL_IP 0
#define SOL_IPV6 41
/* SO_ORIGINAL_DST of linux/netfilter_ipv4.h and IP6T_SO_ORIGINAL_DST of linux/netfilter_ipv6/ip6_tables.h. */
#define ORIGINAL_DST 80
#define MB_PAGE 4096

/* A sidecar has accepted a connection into its pod. Store that its process serves that pod. */
static __always_inline void mb_learn_process(struct bpf_sockopt *ctx, const struct mb_original_destination *original)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct mb_process *known = bpf_map_lookup_elem(&process_ip, &tgid);
	struct mb_process process = {};

	process.netns = bpf_get_netns_cookie(ctx);
	process.pod = original->pods[0];
	if (known && known->netns == process.netns && known->pod.word[3] == process.pod.word[3])
		return;
	bpf_map_update_elem(&process_ip, &tgid, &process, BPF_ANY);
}

/* Reports once for each socket, however often the sidecar asks. Reports pods only, because other processes may accept
 * any connection from any address and ask for its original destination. */
static __always_inline void mb_report_unknown_destination(struct bpf_sockopt *ctx, struct bpf_sock *sk,
							  struct mb_original_destination *original)
{
	__u64 netns = bpf_get_netns_cookie(ctx);
	__be32 pod;

	if (original->told)
		return;
	original->told = 1;
	pod = mb_asking_pod(netns);
	if (!pod)
		return;
	mb_count(MB_COUNT_UNKNOWN_ORIGINAL_DESTINATIONS, 1);
	if (mb_event_limit(MB_EVENT_DROPPED))
		mb_send_unknown_destination(ctx, sk, netns, pod, original->hop);
}

/* If there is no entry, connection tracking may have one, because the mesh's own rules may have redirected this
 * connection. But for a connection that they did not redirect, it returns the address of the sidecar itself, and the
 * sidecar would dial itself again and again. */
static __always_inline int mb_answer_of_conntrack(struct bpf_sockopt *ctx, struct bpf_sock *sk,
						  struct mb_original_destination *original)
{
	/* The port is at the same place in sockaddr_in and sockaddr_in6. */
	struct sockaddr_in *answer = ctx->optval;

	/* If this port differs from the one that accepted, a rule has changed it, and this is the original destination.
	 */
	if (!ctx->retval && ((void *)(answer + 1) > ctx->optval_end || bpf_ntohs(answer->sin_port) != sk->src_port))
		return MB_PROCEED;
	mb_report_unknown_destination(ctx, sk, original);
	return ctx->retval ? MB_PROCEED : MB_REFUSE;
}

SEC("cgroup/getsockopt")
int mb_getsockopt(struct bpf_sockopt *ctx)
{
	struct bpf_sock *sk = ctx->sk;
	struct mb_original_destination *original;
	void *value;

	if (ctx->optname != ORIGINAL_DST || (ctx->level != SOL_IP && ctx->level != SOL_IPV6)) {
		/* Programs cannot see more than a page. Before Linux 6.5 the call fails with EFAULT then, unless a
		 * program sets optlen to 0, which means "as the kernel answered". */
		if (ctx->optlen > MB_PAGE)
			ctx->optlen = 0;
		return MB_PROCEED;
	}
	if (!sk)
		return MB_PROCEED;
	original = bpf_sk_storage_get(&socket_origin, sk, NULL, 0);
	if (!original || !original->accepted)
		return MB_PROCEED;
	if (!original->destination.port)
		return mb_answer_of_conntrack(ctx, sk, original);
	value = ctx->optval;
	if (ctx->level == SOL_IP) {
		struct sockaddr_in *in = value;

		if ((void *)(in + 1) > ctx->optval_end)
			return MB_PROCEED;
		__builtin_memset(in, 0, sizeof(*in));
		in->sin_family = AF_INET;
		in->sin_port = original->destination.port;
		in->sin_addr.s_addr = original->destination.address.word[3];
		ctx->optlen = sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = value;

		if ((void *)(in6 + 1) > ctx->optval_end)
			return MB_PROCEED;
		__builtin_memset(in6, 0, sizeof(*in6));
		in6->sin6_family = AF_INET6;
		in6->sin6_port = original->destination.port;
		in6->sin6_addr.in6_u.u6_addr32[2] = bpf_htonl(0xffff);
		in6->sin6_addr.in6_u.u6_addr32[3] = original->destination.address.word[3];
		ctx->optlen = sizeof(*in6);
	}
	ctx->retval = 0;
	if (original->hop == MB_HOP_INBOUND)
		mb_learn_process(ctx, original);
	return MB_PROCEED;
}
