/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Decides where a flow goes, by the rules of its mesh. A decision reads maps and changes nothing. */
#ifndef MERBRIDGE_POLICY_DECIDE_H
#define MERBRIDGE_POLICY_DECIDE_H

#include "lib/address.h"
#include "lib/bpf.h"
#include "lib/errno.h"
#include "maps/settings.h"
#include "policy/flow.h"
#include "policy/istio.h"
#include "policy/rules.h"
#include "policy/verdict.h"

/* A global function: the verifier checks it once, by itself, not once for each path on which a hook gets its flow. So
 * the verifier does not know that the pointer is valid. */
__noinline enum mb_verdict mb_decide(const struct mb_flow *flow)
{
	bool is_uid, is_sidecar, is_local;
	struct mb_rules_of rules;
	enum mb_verdict verdict;
	int unread;

	if (!flow || !mb_is_set(&flow->pod))
		return MB_VERDICT_KEEP;
	is_uid = flow->uid == profile.sidecar_uid;
	is_sidecar = is_uid || flow->gid == profile.sidecar_gid;
	is_local = mb_is_local(flow);
	/* A connection from a loopback address cannot leave the pod: connect(2) fails with EINVAL before any rule is
	 * evaluated. */
	if (!is_local && mb_is_loopback(&flow->source.address))
		return MB_VERDICT_KEEP;
	unread = mb_rules_of(&flow->pod, &rules);
	if (unread)
		return unread == -EAGAIN ? MB_VERDICT_UNREADABLE : MB_VERDICT_KEEP;
	verdict = mb_istio_output(flow, &rules, is_uid, is_sidecar);
	return verdict == MB_VERDICT_KEEP && !is_local ? mb_istio_input(flow, is_sidecar) : verdict;
}

#endif
