/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is kept on sockets (BPF_MAP_TYPE_SK_STORAGE): freed with them, never evicted. */
#ifndef MERBRIDGE_MAPS_SOCKET_STORAGE_H
#define MERBRIDGE_MAPS_SOCKET_STORAGE_H

#include <linux/bpf.h>
#include <linux/types.h>
#include "abi/address.h"
#include "abi/tuple.h"

/* What was really dialled, kept on the socket: for the dialling side from connect on, for the accepting side from the
 * end of the handshake on. Read by getpeername, sockops and getsockopt. Freed with the socket. */
struct mb_original_destination {
	/* Port 0: it is not known. */
	struct mb_endpoint destination;
	/* The pods whose acceleration decides; [1] is zero where one pod has both ends. */
	struct mb_address pods[2];
	/* enum mb_hop */
	__u8 hop;
	__u8 accepted;
	/* Connection tracking of the pod may put another source port into the packets. */
	__u8 translated;
	/* That the destination is not known. */
	__u8 told;
};

/* What a sender redirected since its receiver had last read everything. */
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
	/* What it sends takes the stack; what is sent to it may still be redirected. */
	MB_SENDS_STACK,
	/* Plain TCP. */
	MB_OUT,
};

/* While this flag is set on a socket it is in sock_pair_map, and messages may be redirected to it. Whoever has its
 * pointer can read the flag. */
#define MB_IN_FLAG BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG

/* mb_socket.first: the receiver has read everything that took the stack. */
#define MB_FIRST_READ 0xffffffff

/* The state of a socket that is in sock_pair_map, and of one that has left until the other end has left, too:
 * everything that sk_msg needs. Freed with the socket. */
struct mb_socket {
	/* Key of the other end in sock_pair_map. */
	struct mb_tuple peer_key;
	/* Its struct sock, to be read with mb_read only; 0 while unknown. */
	__u64 peer_sock;
	/* And the socket cookie that proves that it still is that socket. */
	__u64 peer_cookie;
	struct mb_address pods[2];
	__u32 hop;
	/* Of mesh_settings when `acceleration` was decided. */
	__u32 generation;
	/* enum mb_message_verdict: MB_REDIRECT, or why the acceleration of its pods lets nothing pass. */
	__u32 acceleration;
	/* Messages since the receiver's cgroup was seen to limit nothing; 0 = it does, or is not known. */
	__u32 without_limit;
	/* enum mb_leaving */
	__u32 leaving;
	/* enum mb_message_verdict: why messages take the stack for good. */
	__u32 reason;
	/* Bytes that took the stack before the receiver had read everything; or MB_FIRST_READ. */
	__u32 first;
	/* This end did. */
	__u8 dialled;
	/* Nobody can redirect anything to this socket: the other end never enters, or was closed. */
	__u8 is_alone;
	/* In socket_count. */
	__u8 is_counted;
	__u8 pad;
	/* See mb_barrier. */
	__u64 order;
	struct mb_unread unread;
	/* When a segment to this receiver was first held back, or last let through; 0 = none is. */
	__u64 held_since;
};

#endif
