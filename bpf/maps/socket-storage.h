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
struct mb_origin {
	struct mb_endpoint destination; /* port 0: what was dialled is not known */
	struct mb_address pods[2];      /* the pods whose scope decides; [1] is zero where one pod has both ends */
	__u8 hop;                       /* enum mb_hop */
	__u8 accepted;
	__u8 translated; /* connection tracking of the pod may put another source port into the packets */
	__u8 told;       /* that the destination is not known */
};

/* What a sender redirected since its receiver had last read everything. */
struct mb_unread {
	__u32 bytes;
	__u32 messages;
	__u32 smallest; /* size of the smallest of these messages */
	__u32 pad;
};

/* How far a socket has come on its way out of sock_pair_map (leave.h). It never goes back. */
enum mb_leaving {
	MB_IN,          /* messages may be redirected in both directions */
	MB_SENDS_STACK, /* what it sends takes the stack; what is sent to it may still be redirected */
	MB_OUT,         /* plain TCP */
};

/* While this flag is set on a socket it is in sock_pair_map, and messages may be redirected to it. Whoever has its
 * pointer can read the flag. */
#define MB_IN_FLAG BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG

/* mb_peer.first: the receiver has read everything that took the stack. */
#define MB_FIRST_READ 0xffffffff

/* Everything sk_msg needs, kept on a socket that is in sock_pair_map, and on one that has left until the other end has
 * left, too. Freed with the socket. */
struct mb_peer {
	struct mb_quadruple key; /* the other end's key in sock_pair_map */
	__u64 sock;              /* its struct sock, to be read with mb_read only; 0 while unknown */
	__u64 cookie;            /* and the socket cookie that proves that it still is that socket */
	struct mb_address pods[2];
	__u32 hop;
	__u32 generation; /* of mesh_settings when `refusal` was decided */
	__u32 refusal;    /* enum mb_counter: why the scope lets nothing pass; MB_COUNT_REDIRECTED_MESSAGES = it does */
	__u32 without_limit; /* messages since the receiver's cgroup was seen to limit nothing; 0 = it does, or is not
				known */
	__u32 leaving;       /* enum mb_leaving */
	__u32 reason;        /* enum mb_counter: why messages take the stack for good */
	__u32 first;         /* bytes that took the stack before the receiver had read everything; or MB_FIRST_READ */
	__u8 dialled;        /* this end did */
	__u8 is_alone;   /* nobody can redirect anything to this socket: the other end never enters, or was closed */
	__u8 is_counted; /* in socket_count */
	__u8 pad;
	__u64 order; /* see mb_barrier */
	struct mb_unread unread;
	__u64 held_since; /* when a segment to this receiver was first held back, or last let through; 0 = none is */
};

#endif
