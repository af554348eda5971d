/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The 4-tuple of a socket, with what makes it unique on the node. */
#ifndef MERBRIDGE_LIB_TUPLE_H
#define MERBRIDGE_LIB_TUPLE_H

#include "abi/tuple.h"
#include "lib/address.h"
#include "lib/bpf.h"

/* Makes the 4-tuple of a sockops callback, without initial sequence numbers. False for a socket, of either family, that
 * is not TCP over IPv4. */
static __always_inline bool mb_tuple_of(struct bpf_sock_ops *ctx, struct mb_tuple *key)
{
	if (ctx->family == AF_INET6) {
		if (ctx->remote_ip6[0] || ctx->remote_ip6[1] || ctx->remote_ip6[2] != bpf_htonl(0xffff))
			return false;
	} else if (ctx->family != AF_INET) {
		return false;
	}
	__builtin_memset(key, 0, sizeof(*key));
	key->local = mb_from_ip4(ctx->local_ip4);
	key->remote = mb_from_ip4(ctx->remote_ip4);
	key->local_port = bpf_htons(ctx->local_port);
	key->remote_port = bpf_htons(bpf_ntohl(ctx->remote_port));
	if (mb_is_loopback(&key->local) || mb_is_loopback(&key->remote))
		key->netns = bpf_get_netns_cookie(ctx);
	return true;
}

/* The initial sequence number of a socket that dialled, at any time after its SYN was created: bytes_acked includes the
 * SYN. */
static __always_inline __u32 mb_isn_of_dialler(struct bpf_sock_ops *ctx)
{
	return ctx->snd_una - (__u32)ctx->bytes_acked;
}

/* Call this when a connection has just been established: nothing but the SYN was received then. */
static __always_inline void mb_add_isns(struct bpf_sock_ops *ctx, bool dialled, struct mb_tuple *key)
{
	key->local_isn = dialled ? mb_isn_of_dialler(ctx) : ctx->snd_nxt - 1;
	key->remote_isn = ctx->rcv_nxt - 1;
}

static __always_inline void mb_reverse(const struct mb_tuple *key, struct mb_tuple *reversed)
{
	reversed->netns = key->netns;
	reversed->local = key->remote;
	reversed->remote = key->local;
	reversed->local_port = key->remote_port;
	reversed->remote_port = key->local_port;
	reversed->local_isn = key->remote_isn;
	reversed->remote_isn = key->local_isn;
	reversed->pad = 0;
}

#endif
