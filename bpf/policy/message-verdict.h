/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Verdict for a message. */
#ifndef MERBRIDGE_POLICY_MESSAGE_VERDICT_H
#define MERBRIDGE_POLICY_MESSAGE_VERDICT_H

#include "abi/counters.h"
#include "lib/bpf.h"

/* The number of a verdict is that of its counter. It is stored in socket_peer, which outlives the programs, so it must
 * have the same meaning in all versions. */
enum mb_message_verdict {
	MB_REDIRECT = MB_COUNT_REDIRECTED_MESSAGES,
	/* All others pass it to the TCP stack. */
	MB_PASS_SCOPE = MB_COUNT_PASSED_SCOPE,
	MB_PASS_NO_PEER = MB_COUNT_PASSED_NO_PEER,
	MB_PASS_FIRST = MB_COUNT_PASSED_FIRST,
	MB_PASS_BACKLOG = MB_COUNT_PASSED_BACKLOG,
	MB_PASS_SWITCH = MB_COUNT_PASSED_SWITCH,
	MB_PASS_PEER_GONE = MB_COUNT_PASSED_PEER_GONE,
	MB_PASS_PEER_LEFT = MB_COUNT_PASSED_PEER_LEFT,
};

static __always_inline enum mb_counter mb_counter_of(enum mb_message_verdict verdict)
{
	return (enum mb_counter)verdict;
}

#endif
