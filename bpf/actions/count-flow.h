/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts what was actually done with a flow, not its verdict. */
#ifndef MERBRIDGE_ACTIONS_COUNT_FLOW_H
#define MERBRIDGE_ACTIONS_COUNT_FLOW_H

#include "abi/counters.h"
#include "actions/apply.h"
#include "lib/count.h"
#include "policy/verdict.h"

/* Each flow of an enrolled pod is redirected to one of the two ports, keeps its destination, or is refused. */
static __always_inline void mb_count_flow(enum mb_verdict verdict, const struct mb_outcome *outcome)
{
	if (outcome->drop || verdict == MB_VERDICT_UNREADABLE)
		mb_count(MB_COUNT_HOOK_ERRORS, 1);
	if (outcome->drop == MB_DROP_LOOP)
		return;
	if (!outcome->redirected)
		mb_count(MB_COUNT_LEFT_ALONE, 1);
	else
		mb_count(mb_hop_of(verdict) == MB_HOP_OUTBOUND ? MB_COUNT_OUTBOUND : MB_COUNT_INBOUND, 1);
}

#endif
