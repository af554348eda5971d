/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup/connect4 and cgroup/connect6: a socket dials. Makes a flow, decides, applies the
 * verdict, and reports the outcome. */
#include "actions/apply.h"
#include "actions/count-flow.h"
#include "actions/report-connect.h"
#include "lib/address.h"
#include "lib/bpf.h"
#include "policy/decide.h"
#include "policy/flow.h"
#include "policy/verdict.h"

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
	/* Only connections of enrolled pods are counted and reported. */
	if (mb_is_set(&flow.pod)) {
		mb_count_flow(verdict, &outcome);
		mb_report_connect(ctx, &flow, verdict, &outcome);
	}
	return proceeds ? MB_PROCEED : MB_REFUSE;
}

SEC("cgroup/connect4")
int mb_connect4(struct bpf_sock_addr *ctx)
{
	return mb_connect(ctx, false);
}

SEC("cgroup/connect6")
int mb_connect6(struct bpf_sock_addr *ctx)
{
	return mb_connect(ctx, true);
}
