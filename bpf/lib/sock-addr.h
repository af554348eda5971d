/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The context of connect and getpeername, for sockets of either family. `is_ip6` is a constant of the hook: the
 * verifier lets a program of one family read and write the members of that family only. IPv6 means ::ffff:a.b.c.d
 * here: IPv4 of a dual-stack runtime, which never reaches the hooks of IPv4. */
#ifndef MERBRIDGE_LIB_SOCK_ADDR_H
#define MERBRIDGE_LIB_SOCK_ADDR_H

#include <linux/in6.h>
#include "lib/address.h"
#include "lib/bpf.h"

static __always_inline struct mb_endpoint mb_read_endpoint(struct bpf_sock_addr *ctx, const bool is_ip6)
{
	struct mb_endpoint endpoint = { .port = ctx->user_port };

	if (!is_ip6) {
		endpoint.address = mb_from_ip4(ctx->user_ip4);
		return endpoint;
	}
	endpoint.address.word[0] = ctx->user_ip6[0];
	endpoint.address.word[1] = ctx->user_ip6[1];
	endpoint.address.word[2] = ctx->user_ip6[2];
	endpoint.address.word[3] = ctx->user_ip6[3];
	return endpoint;
}

/* Writes an IPv4 address. An IPv6 socket already has the prefix of a mapped address. */
static __always_inline void mb_write_endpoint(struct bpf_sock_addr *ctx, const bool is_ip6,
					      const struct mb_endpoint *endpoint)
{
	if (is_ip6)
		ctx->user_ip6[3] = endpoint->address.word[3];
	else
		ctx->user_ip4 = endpoint->address.word[3];
	ctx->user_port = endpoint->port;
}

/* Binds the socket to a source address. The kernel chooses the port. Returns 0 or an error number. */
static __always_inline int mb_bind(struct bpf_sock_addr *ctx, const bool is_ip6, const struct mb_address *address)
{
	if (is_ip6) {
		struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };

		__builtin_memcpy(&in6.sin6_addr, address, sizeof(*address));
		return bpf_bind(ctx, (struct sockaddr *)&in6, sizeof(in6));
	} else {
		struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { .s_addr = address->word[3] } };

		return bpf_bind(ctx, (struct sockaddr *)&in, sizeof(in));
	}
}

#endif
