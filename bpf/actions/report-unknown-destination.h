/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Event of getsockopt: a sidecar asked for an original destination that is unknown. */
#ifndef MERBRIDGE_ACTIONS_REPORT_UNKNOWN_DESTINATION_H
#define MERBRIDGE_ACTIONS_REPORT_UNKNOWN_DESTINATION_H

#include "abi/events.h"
#include "actions/send-event.h"
#include "lib/address.h"
#include "lib/bpf.h"

static __noinline int mb_send_unknown_destination(struct bpf_sockopt *ctx, struct bpf_sock *sk, __u64 netns, __be32 pod,
						  __u8 hop)
{
	struct mb_event event = {};

	event.netns = netns;
	event.pid = bpf_get_current_pid_tgid() >> 32;
	event.kind = MB_EVENT_DROPPED;
	event.hop = hop;
	event.reason = MB_DROP_UNKNOWN_ORIGINAL_DESTINATION;
	event.pod = mb_from_ip4(pod);
	/* An IPv6 socket with mapped addresses has the IPv4 ones as well. */
	event.client = mb_from_ip4(sk->dst_ip4);
	event.target.address = mb_from_ip4(sk->src_ip4);
	event.target.port = bpf_htons(sk->src_port);
	return mb_send_event(&event, mb_event_limit(MB_EVENT_DROPPED));
}

#endif
