/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Events of connect hooks: a flow and its outcome. */
#ifndef MERBRIDGE_ACTIONS_REPORT_CONNECT_H
#define MERBRIDGE_ACTIONS_REPORT_CONNECT_H

#include "abi/events.h"
#include "actions/apply.h"
#include "actions/send-event.h"
#include "lib/bpf.h"
#include "policy/flow.h"
#include "policy/verdict.h"

static __always_inline __u32 mb_event_of(enum mb_verdict verdict, const struct mb_outcome *outcome)
{
	if (outcome->drop)
		return MB_EVENT_DROPPED;
	return verdict == MB_VERDICT_SELF_CALL ? MB_EVENT_SELF_CALL : MB_EVENT_CONNECTION;
}

static __noinline int mb_send_connect(struct bpf_sock_addr *ctx, const struct mb_flow *flow, enum mb_verdict verdict,
				      const struct mb_outcome *outcome, __u32 limit)
{
	struct mb_event event = {};

	event.netns = flow->netns;
	event.cookie = bpf_get_socket_cookie(ctx);
	event.pid = bpf_get_current_pid_tgid() >> 32;
	event.kind = mb_event_of(verdict, outcome);
	event.hop = mb_hop_of(verdict);
	event.reason = outcome->drop;
	event.redirected = outcome->redirected;
	event.pod = flow->pod;
	event.client = mb_redirects(verdict) && mb_needs_source(flow) && outcome->drop != MB_DROP_NO_MEMORY
			       ? flow->pod
			       : flow->source.address;
	event.destination = flow->destination;
	event.target = outcome->target;
	return mb_send_event(&event, limit);
}

static __always_inline void mb_report_connect(struct bpf_sock_addr *ctx, const struct mb_flow *flow,
					      enum mb_verdict verdict, const struct mb_outcome *outcome)
{
	__u32 limit = mb_event_limit(mb_event_of(verdict, outcome));

	if (limit)
		mb_send_connect(ctx, flow, verdict, outcome, limit);
}

#endif
