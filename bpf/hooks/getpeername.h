/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The getpeername hooks, of both families: the one who dialled hears of the destination that it dialled. */
#ifndef MERBRIDGE_GETPEERNAME_H
#define MERBRIDGE_GETPEERNAME_H

#include "lib/sock-addr.h"

static __always_inline int mb_getpeername(struct bpf_sock_addr *ctx, const bool is_ip6)
{
	struct mb_origin *origin = bpf_sk_storage_get(&socket_origin, ctx->sk, NULL, 0);

	if (origin && !origin->accepted)
		mb_write_endpoint(ctx, is_ip6, &origin->destination);
	return MB_PROCEED;
}

#endif
