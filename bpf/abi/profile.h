/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space sets before the programs are loaded. */
#ifndef MERBRIDGE_ABI_PROFILE_H
#define MERBRIDGE_ABI_PROFILE_H

#include "abi/constants.h"
#include <linux/types.h>

/* In .rodata: the mesh profile, and what depends on the kernel and the machine. Ports in host byte order, addresses in
 * network byte order. */
struct mb_profile {
	__u32 sidecar_uid;
	__u32 sidecar_gid;
	/* 127.0.0.6: the source address of a sidecar that connects to its own application; 0 = the mesh has none. */
	__be32 passthrough;
	__u16 outbound_port;
	__u16 inbound_port;
	/* Never redirected, also not when a sidecar calls its own pod; 0 = the mesh has none. */
	__u16 tunnel_port;
	__u16 excluded_count;
	__u16 excluded_inbound[MB_MAX_EXCLUDED];
	/* Bytes charged to a receiver above which messages take the stack. */
	__u32 backlog_limit;
	/* SO_RCVBUF of an accelerated socket, which the kernel doubles; 0 = its buffers are left alone. */
	__u32 receive_buffer;
	/* SO_SNDBUF, likewise. */
	__u32 send_buffer;
	/* 1 if this kernel charges redirected bytes to their receiver; 0 = the programs keep the account. */
	__u32 charged;
	/* Seconds between the probes on an idle hop between pods; 0 = none. */
	__u32 keep_alive;
	/* 1 on a machine that may read ahead of an atomic operation that returns nothing (arm64). */
	__u32 weakly_ordered;
};

_Static_assert(sizeof(struct mb_profile) == 76, "mb_profile");

#endif
