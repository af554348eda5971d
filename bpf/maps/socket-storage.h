/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* State that is stored on sockets (BPF_MAP_TYPE_SK_STORAGE). It is freed with them and never evicted. */
#ifndef MERBRIDGE_MAPS_SOCKET_STORAGE_H
#define MERBRIDGE_MAPS_SOCKET_STORAGE_H

#include <linux/bpf.h>
#include <linux/types.h>
#include "abi/address.h"
#include "abi/tuple.h"

/* The original destination, stored on the socket: on the dialling side from connect on, on the accepting side from the
 * end of the handshake on. Read by getpeername, sockops and getsockopt. Freed with the socket. */
struct mb_original_destination {
	/* Port 0 if it is not known. */
	struct mb_endpoint destination;
	/* The pods whose scope decides; [1] is zero if one pod has both ends. */
	struct mb_address pods[2];
	/* enum mb_hop */
	__u8 hop;
	__u8 accepted;
	/* Connection tracking in the pod may change the source port in the packets. */
	__u8 translated;
	/* Whether it was reported that the destination is not known. */
	__u8 told;
};

/* Data that a sender redirected since its receiver had last read everything. */
struct mb_unread {
	__u32 bytes;
	__u32 messages;
	/* Size of the smallest of these messages. */
	__u32 smallest;
	__u32 pad;
};

/* How far a socket has come on its way out of sock_pair_map (actions/leave.h). It never goes back. */
enum mb_leaving {
	/* Messages may be redirected in both directions. */
	MB_IN,
	/* Data that it sends takes the TCP stack. Data that is sent to it may still be redirected. */
	MB_SENDS_STACK,
	/* Plain TCP. */
	MB_OUT,
};

/* While this flag is set on a socket, it is in sock_pair_map, and messages may be redirected to it. A program that has
 * its pointer can read the flag. */
#define MB_IN_FLAG BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG

/* mb_socket.first: the receiver has read everything that took the TCP stack. */
#define MB_FIRST_READ 0xffffffff

/* The state of a socket that is in sock_pair_map, and of one that has left until the other end has left, too:
 * everything that sk_msg needs. Freed with the socket. */
struct mb_socket {
	/* Key of the other end in sock_pair_map. */
	struct mb_tuple peer_key;
	/* Its struct sock, to be read with mb_read only; 0 while unknown. */
	__u64 peer_sock;
	/* Its socket cookie, which proves that it still is the same socket. */
	__u64 peer_cookie;
	struct mb_address pods[2];
	__u32 hop;
	/* Generation of mesh_settings when `acceleration` was decided. */
	__u32 generation;
	/* enum mb_message_verdict: MB_REDIRECT, or why the scope of its pods excludes it. */
	__u32 acceleration;
	/* Messages since the receiver's cgroup was found to have no limit; 0 = it has one, or that is not known. */
	__u32 without_limit;
	/* enum mb_leaving */
	__u32 leaving;
	/* enum mb_message_verdict: why messages permanently take the TCP stack. */
	__u32 reason;
	/* Bytes that took the TCP stack before the receiver had read everything; or MB_FIRST_READ. */
	__u32 first;
	/* Whether this end dialled. */
	__u8 dialled;
	/* Nothing can be redirected to this socket: the other end never enters, or was closed. */
	__u8 is_alone;
	/* Whether it is included in socket_count. */
	__u8 is_counted;
	__u8 pad;
	/* See mb_barrier. */
	__u64 order;
	struct mb_unread unread;
	/* When a segment to this receiver was first held back, or last let through; 0 = none is held back. */
	__u64 held_since;
};

#endif
