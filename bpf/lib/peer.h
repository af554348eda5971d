/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* State of the other end of a connection, read from its struct sock. */
#ifndef MERBRIDGE_LIB_PEER_H
#define MERBRIDGE_LIB_PEER_H

#include "lib/bpf.h"
#include "lib/read.h"
#include "maps/socket-storage.h"

/* The flags and the cookie of the other end. Its memory always remains a TCP socket, but may be another one by now
 * (SLAB_TYPESAFE_BY_RCU). */
static __always_inline bool mb_peer_has_in_flag(const bool plain, const struct mb_socket *socket)
{
	struct tcp_sock *other = (struct tcp_sock *)socket->peer_sock;

	return mb_read(plain, other, struct tcp_sock, bpf_sock_ops_cb_flags) & MB_IN_FLAG;
}

static __always_inline bool mb_peer_is_still_there(const bool plain, const struct mb_socket *socket)
{
	struct tcp_sock *other = (struct tcp_sock *)socket->peer_sock;

	return (__u64)mb_read(plain, other, struct tcp_sock, inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter) ==
	       socket->peer_cookie;
}

#endif
