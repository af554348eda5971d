/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup/getpeername4: the one who dialled hears of the destination that it dialled. */
#include "common.h"

SEC("cgroup/getpeername4")
int mb_getpeername4(struct bpf_sock_addr *ctx)
{
	struct mb_origin *origin = bpf_sk_storage_get(&socket_origin, ctx->sk, NULL, 0);

	if (origin && !origin->accepted) {
		ctx->user_ip4 = origin->destination.address.word[3];
		ctx->user_port = origin->destination.port;
	}
	return MB_PROCEED;
}
