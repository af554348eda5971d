/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What connect hooks tell: which connection, and what became of it. */
#ifndef MERBRIDGE_REPORT_DIAL_H
#define MERBRIDGE_REPORT_DIAL_H

#include "events.h"
#include "redirect.h"

static __noinline int mb_send_dial(struct bpf_sock_addr *ctx, const struct mb_redirect *to, __u32 kind, __u32 limit)
{
	struct mb_event event = {};
	__be32 source = to->source ? to->source : ctx->sk->src_ip4;

	event.netns = bpf_get_netns_cookie(ctx);
	event.cookie = bpf_get_socket_cookie(ctx);
	event.pid = bpf_get_current_pid_tgid() >> 32;
	event.kind = kind;
	event.hop = to->hop;
	event.reason = to->drop;
	event.redirected = to->port != 0;
	event.pod = mb_from_ip4(to->pod);
	if (source)
		event.client = mb_from_ip4(source);
	event.destination.address = mb_from_ip4(to->dialled);
	event.destination.port = ctx->user_port;
	event.target = event.destination;
	if (event.redirected) {
		event.target.address = mb_from_ip4(to->ip);
		event.target.port = to->port;
	}
	return mb_send_event(&event, limit);
}

/* Before the destination is overwritten. Only what an enrolled pod dials is told. */
static __always_inline void mb_report_dial(struct bpf_sock_addr *ctx, const struct mb_redirect *to)
{
	__u32 kind = MB_EVENT_CONNECTION, limit;

	if (!to->pod)
		return;
	if (to->drop)
		kind = MB_EVENT_DROPPED;
	else if (to->hop == MB_HOP_INBOUND && mb_is_local_destination(to->dialled, to->pod))
		kind = MB_EVENT_SELF_CALL;
	limit = mb_event_limit(kind);
	if (limit)
		mb_send_dial(ctx, to, kind, limit);
}

#endif
