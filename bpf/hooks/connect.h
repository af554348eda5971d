/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The connect hooks, of both families: a flow, a verdict, what came of it. */
#ifndef MERBRIDGE_CONNECT_H
#define MERBRIDGE_CONNECT_H

#include "actions/count-flow.h"
#include "actions/report-connect.h"

static __always_inline int mb_connect(struct bpf_sock_addr *ctx, const bool is_ip6)
{
	struct mb_outcome outcome = {};
	struct mb_flow flow = {};
	enum mb_verdict verdict;
	bool proceeds;

	if (!mb_flow_of(ctx, is_ip6, &flow))
		return MB_PROCEED;
	verdict = mb_decide(&flow);
	proceeds = mb_apply(ctx, is_ip6, &flow, verdict, &outcome);
	/* Only what an enrolled pod dials is counted and told. */
	if (mb_is_set(&flow.pod)) {
		mb_count_flow(verdict, &outcome);
		mb_report_dial(ctx, &flow, verdict, &outcome);
	}
	return proceeds ? MB_PROCEED : MB_REFUSE;
}

#endif
