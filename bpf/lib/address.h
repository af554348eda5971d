/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses and quadruples. */
#ifndef MERBRIDGE_ADDRESS_H
#define MERBRIDGE_ADDRESS_H

#include "lib/bpf.h"

static __always_inline struct mb_address mb_from_ip4(__be32 ip)
{
	struct mb_address address = { .word = { 0, 0, bpf_htonl(0xffff), ip } };

	return address;
}

#define MB_LOCALHOST 0x7f000001

/* Addresses are compared without a branch for each word: each would double the paths that the verifier follows. */

/* All zero is no address. That of IPv4 that stands for any, ::ffff:0.0.0.0, is one. */
static __always_inline bool mb_is_set(const struct mb_address *address)
{
	return address->word[0] | address->word[1] | address->word[2] | address->word[3];
}

static __always_inline bool mb_is_same(const struct mb_address *one, const struct mb_address *other)
{
	return !((one->word[0] ^ other->word[0]) | (one->word[1] ^ other->word[1]) | (one->word[2] ^ other->word[2]) |
		 (one->word[3] ^ other->word[3]));
}

/* Is this ::ffff:`ip`, as far as the mask goes? */
static __always_inline bool mb_is_ip4_in(const struct mb_address *address, __be32 ip, __be32 mask)
{
	return !(address->word[0] | address->word[1] | (address->word[2] ^ bpf_htonl(0xffff)) |
		 ((address->word[3] ^ ip) & mask));
}

static __always_inline bool mb_is_ip4(const struct mb_address *address, __be32 ip)
{
	return mb_is_ip4_in(address, ip, 0xffffffff);
}

/* Is this an address of IPv4? */
static __always_inline bool mb_is_mapped(const struct mb_address *address)
{
	return mb_is_ip4_in(address, 0, 0);
}

static __always_inline bool mb_is_localhost(const struct mb_address *address)
{
	return mb_is_ip4(address, bpf_htonl(MB_LOCALHOST));
}

static __always_inline bool mb_is_loopback(const struct mb_address *address)
{
	return mb_is_ip4_in(address, bpf_htonl(0x7f000000), bpf_htonl(0xff000000));
}

/* 127.128.0.0/9 at random: one fixed address would leave only one range of source ports, all in TIME_WAIT within a
 * minute of load. */
static __always_inline struct mb_address mb_rotating_loopback(void)
{
	return mb_from_ip4(bpf_htonl(0x7f800000 | (bpf_get_prandom_u32() & 0x007fffff)));
}

static __always_inline bool mb_is_rotating_loopback(const struct mb_address *address)
{
	return mb_is_ip4_in(address, bpf_htonl(0x7f800000), bpf_htonl(0xff800000));
}

/* ctx of a sockops callback -> its quadruple, without initial sequence numbers; false for anything that is not TCP over
 * IPv4, in either kind of socket. */
static __always_inline bool mb_quadruple_of(struct bpf_sock_ops *ctx, struct mb_quadruple *key)
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

/* The initial sequence number of a socket that dialled, at any time after its SYN was made: bytes_acked counts the SYN,
 * too. */
static __always_inline __u32 mb_isn_of_dialler(struct bpf_sock_ops *ctx)
{
	return ctx->snd_una - (__u32)ctx->bytes_acked;
}

/* When a connection has just been established, nothing was received but the SYN. */
static __always_inline void mb_add_isns(struct bpf_sock_ops *ctx, bool dialled, struct mb_quadruple *key)
{
	key->local_isn = dialled ? mb_isn_of_dialler(ctx) : ctx->snd_nxt - 1;
	key->remote_isn = ctx->rcv_nxt - 1;
}

static __always_inline void mb_reverse(const struct mb_quadruple *key, struct mb_quadruple *reversed)
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
