/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What getsockopt tells: a sidecar that asked what was dialled, and nobody knows. */
#ifndef MERBRIDGE_REPORT_UNKNOWN_H
#define MERBRIDGE_REPORT_UNKNOWN_H

#include "address.h"
#include "events.h"

static __noinline int mb_send_unknown(struct bpf_sockopt *ctx, struct bpf_sock *sk, const struct mb_origin *origin)
{
	struct mb_event event = {};

	event.netns = bpf_get_netns_cookie(ctx);
	event.pid = bpf_get_current_pid_tgid() >> 32;
	event.kind = MB_EVENT_DROPPED;
	event.hop = origin->hop;
	event.reason = MB_DROP_UNKNOWN_ORIGIN;
	event.pod = origin->pods[0];
	/* An IPv6 socket with mapped addresses has the IPv4 ones as well. */
	event.client = mb_from_ip4(sk->dst_ip4);
	event.target.address = mb_from_ip4(sk->src_ip4);
	event.target.port = bpf_htons(sk->src_port);
	return mb_send_event(&event, mb_event_limit(MB_EVENT_DROPPED));
}

#endif
