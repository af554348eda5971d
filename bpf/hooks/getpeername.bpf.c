/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup/getpeername4 and cgroup/getpeername6: returns the original destination to the process that dialled it. */
#include "lib/bpf.h"
#include "lib/sock-addr.h"
#include "maps/sockets.h"

static __always_inline int mb_getpeername(struct bpf_sock_addr *ctx, const bool is_ip6)
{
	struct mb_original_destination *original = bpf_sk_storage_get(&socket_origin, ctx->sk, NULL, 0);

	if (original && !original->accepted)
		mb_write_endpoint(ctx, is_ip6, &original->destination);
	return MB_PROCEED;
}

SEC("cgroup/getpeername4")
int mb_getpeername4(struct bpf_sock_addr *ctx)
{
	return mb_getpeername(ctx, false);
}

SEC("cgroup/getpeername6")
int mb_getpeername6(struct bpf_sock_addr *ctx)
{
	return mb_getpeername(ctx, true);
}
