/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is kept on sockets (BPF_MAP_TYPE_SK_STORAGE): freed with them, never evicted. */
#ifndef MERBRIDGE_SOCKETS_H
#define MERBRIDGE_SOCKETS_H

#include "abi.h"

/* What was really dialled, kept on the socket: for the dialling side from connect on, for the accepting side from the end of the
 * handshake on. Read by getpeername, sockops and getsockopt. Freed with the socket. */
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

/* Everything sk_msg needs, kept on a socket that is in sock_pair_map. Freed with the socket. */
struct mb_peer {
	struct mb_quadruple key; /* the other end's key in sock_pair_map */
	__u64 sock;              /* its struct sock, to be read with mb_read only; 0 while unknown */
	__u64 cookie;            /* and the socket cookie that proves that it still is that socket */
	struct mb_address pods[2];
	__u32 hop;
	__u32 generation;    /* of mesh_settings when `refusal` was decided */
	__u32 refusal;       /* enum mb_counter: why the scope lets nothing pass; MB_COUNT_REDIRECTED = it does */
	__u32 without_limit; /* messages since the receiver's cgroup was seen to limit nothing; 0 = it does, or is not known */
	__u64 bulk_since;    /* when this sender last outran its reader; 0 = never */
	struct mb_unread unread;
	__u64 held_since; /* when the first segment to this receiver was held back; 0 = none is */
};

#endif
