/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events of sockops: sockets for which an operation failed. */
#ifndef MERBRIDGE_ACTIONS_REPORT_SOCKET_H
#define MERBRIDGE_ACTIONS_REPORT_SOCKET_H

#include "abi/events.h"
#include "abi/tuple.h"
#include "actions/send-event.h"
#include "lib/bpf.h"
#include "lib/errno.h"

static __always_inline __u32 mb_refused_for(long error)
{
	if (!error)
		return MB_DROP_NO_MEMORY;
	return error == -E2BIG ? MB_DROP_MAP_FULL : MB_DROP_SOCKET;
}

/* `what`: the error number (32 bits), the hop and the reason (8 bits each). With one argument less, all fit in
 * registers, and the frame stays within the limit of the longest chain. */
static __noinline int mb_send_socket(struct bpf_sock_ops *ctx, const struct mb_tuple *key, const struct mb_address *pod,
				     __u64 what)
{
	struct mb_event event = {};

	event.netns = bpf_get_netns_cookie(ctx);
	event.cookie = bpf_get_socket_cookie(ctx);
	event.kind = MB_EVENT_DROPPED;
	event.hop = (__u8)(what >> 8);
	event.reason = (__u8)what;
	event.error = what >> 16;
	event.pod = *pod;
	event.client = key->remote;
	event.target.address = key->local;
	event.target.port = key->local_port;
	return mb_send_event(&event, mb_event_limit(MB_EVENT_DROPPED));
}

/* `pod` points into a map or to the stack. */
static __always_inline void mb_report_socket(struct bpf_sock_ops *ctx, const struct mb_tuple *key,
					     const struct mb_address *pod, __u32 hop, __u32 reason, __u32 error)
{
	if (mb_event_limit(MB_EVENT_DROPPED))
		mb_send_socket(ctx, key, pod, (__u64)error << 16 | hop << 8 | reason);
}

#endif
