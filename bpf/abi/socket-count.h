/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Number of sockets in sock_pair_map, which the kernel does not report. */
#ifndef MERBRIDGE_ABI_SOCKET_COUNT_H
#define MERBRIDGE_ABI_SOCKET_COUNT_H

#include <linux/bpf.h>
#include <linux/types.h>

/* The one element of socket_count. */
struct mb_socket_count {
	/* Includes sockets that were closed, but whose TCP connection has not ended yet. */
	__s64 open;
	struct bpf_spin_lock lock;
	/* Number of levels of mb_settings.socket_alarm that were reported and not rearmed. */
	__u32 level;
};

_Static_assert(sizeof(struct mb_socket_count) == 16, "mb_socket_count");

#endif
