/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses and quadruples. */
#ifndef MERBRIDGE_ADDRESS_H
#define MERBRIDGE_ADDRESS_H

#include "common.h"

static __always_inline struct mb_address mb_from_ip4(__be32 ip)
{
	struct mb_address address = { .word = { 0, 0, bpf_htonl(0xffff), ip } };

	return address;
}

#define MB_LOCALHOST 0x7f000001

static __always_inline bool mb_is_loopback(__be32 ip)
{
	return (ip & bpf_htonl(0xff000000)) == bpf_htonl(0x7f000000);
}

/* 127.128.0.0/9 at random: one fixed address would leave only one range of source ports, all in TIME_WAIT within a minute of load. */
static __always_inline __be32 mb_rotating_loopback(void)
{
	return bpf_htonl(0x7f800000 | (bpf_get_prandom_u32() & 0x007fffff));
}

static __always_inline bool mb_is_rotating_loopback(__be32 ip)
{
	return (ip & bpf_htonl(0xff800000)) == bpf_htonl(0x7f800000);
}

/* A destination that never leaves the pod. */
static __always_inline bool mb_is_local_destination(__be32 ip, __be32 pod)
{
	return ip == pod || mb_is_loopback(ip);
}

/* ctx of a sockops callback -> its quadruple, without initial sequence numbers; false for anything that is not TCP over IPv4, in either kind of
 * socket. */
static __always_inline bool mb_quadruple_of(struct bpf_sock_ops *ctx, struct mb_quadruple *key)
{
	__be32 local = ctx->local_ip4, remote = ctx->remote_ip4;

	if (ctx->family == AF_INET6) {
		if (ctx->remote_ip6[0] || ctx->remote_ip6[1] || ctx->remote_ip6[2] != bpf_htonl(0xffff))
			return false;
	} else if (ctx->family != AF_INET) {
		return false;
	}
	__builtin_memset(key, 0, sizeof(*key));
	key->local = mb_from_ip4(local);
	key->remote = mb_from_ip4(remote);
	key->local_port = bpf_htons(ctx->local_port);
	key->remote_port = bpf_htons(bpf_ntohl(ctx->remote_port));
	if (mb_is_loopback(local) || mb_is_loopback(remote))
		key->netns = bpf_get_netns_cookie(ctx);
	return true;
}

/* The initial sequence number of a socket that dialled, at any time after its SYN was made: bytes_acked counts the SYN, too. */
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
