/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup/getpeername6: the same for a dual-stack socket, whose peer stays an IPv4-mapped address. */
#include "common.h"

SEC("cgroup/getpeername6")
int mb_getpeername6(struct bpf_sock_addr *ctx)
{
	struct mb_origin *origin = bpf_sk_storage_get(&socket_origin, ctx->sk, NULL, 0);

	if (origin && !origin->accepted) {
		ctx->user_ip6[3] = origin->destination.address.word[3];
		ctx->user_port = origin->destination.port;
	}
	return MB_PROCEED;
}
