/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Keys that identify a connection: one for established connections, one for pending handshakes. */
#ifndef MERBRIDGE_ABI_TUPLE_H
#define MERBRIDGE_ABI_TUPLE_H

#include "abi/address.h"

/* Key of sock_pair_map: the 4-tuple of a TCP connection as one of its two sockets sees it, with what makes it unique on
 * the node. */
struct mb_tuple {
	/* Cookie of the network namespace if an end is in 127.0.0.0/8, and 0 otherwise: only loopback addresses repeat
	 * from one network namespace to the next. */
	__u64 netns;
	struct mb_address local;
	struct mb_address remote;
	__be16 local_port;
	__be16 remote_port;
	/* The initial sequence numbers of this connection, in host byte order: a socket that somebody opens with the
	 * same addresses and ports in another network namespace does not have this key. */
	__u32 local_isn;
	__u32 remote_isn;
	__u32 pad;
};

/* Key of pair_original_dst: the client, and the port of the sidecar. The address of the sidecar is not part of it: if
 * the mesh's own rules exist, too, they may redirect once more, to another address with the same port. */
struct mb_pending_handshake {
	/* As in mb_tuple. */
	__u64 netns;
	struct mb_address client;
	/* 0 where connection tracking may change the port in the packets. */
	__be16 client_port;
	__be16 sidecar_port;
	/* Initial sequence number of the client, in host byte order. */
	__u32 client_isn;
};

_Static_assert(sizeof(struct mb_tuple) == 56, "mb_tuple");
_Static_assert(sizeof(struct mb_pending_handshake) == 32, "mb_pending_handshake");

#endif
