/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Settings that user space writes before the programs are loaded. */
#ifndef MERBRIDGE_ABI_PROFILE_H
#define MERBRIDGE_ABI_PROFILE_H

#include "abi/constants.h"
#include <linux/types.h>

/* In .rodata: the mesh profile, and properties of the kernel and the machine. Ports are in host byte order, addresses
 * in network byte order. */
struct mb_profile {
	__u32 sidecar_uid;
	__u32 sidecar_gid;
	/* 127.0.0.6: the source address of a sidecar that connects to its own application; 0 = the mesh has none. */
	__be32 passthrough;
	__u16 outbound_port;
	__u16 inbound_port;
	/* Never redirected, not even when a sidecar calls its own pod; 0 = the mesh has none. */
	__u16 tunnel_port;
	__u16 excluded_count;
	__u16 excluded_inbound[MB_MAX_EXCLUDED];
	/* Bytes charged to a receiver. Above this limit, messages take the TCP stack. */
	__u32 backlog_limit;
	/* SO_RCVBUF of an accelerated socket, which the kernel doubles; 0 = its buffers are not changed. */
	__u32 receive_buffer;
	/* SO_SNDBUF of an accelerated socket, which the kernel doubles. */
	__u32 send_buffer;
	/* 1 if this kernel charges redirected bytes to their receiver; 0 = the programs count them. */
	__u32 charged;
	/* Seconds between TCP keepalive probes on an idle connection between two pods; 0 = none. */
	__u32 keep_alive;
	/* 1 if the CPU may execute a read before an earlier atomic operation that returns no value (arm64). */
	__u32 weakly_ordered;
};

_Static_assert(sizeof(struct mb_profile) == 76, "mb_profile");

#endif
