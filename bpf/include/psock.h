/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What waits in a socket beside the TCP stack: redirected messages that were not read yet. */
#ifndef MERBRIDGE_PSOCK_H
#define MERBRIDGE_PSOCK_H

#include "common.h"

/* Has the reader taken every redirected message? A socket without a psock has none. */
static __always_inline bool mb_psock_is_empty(struct tcp_sock *receiver)
{
	/* The lowest bits of sk_user_data are flags (SK_USER_DATA_PTRMASK, include/net/sock.h). */
	struct sk_psock *psock = (void *)((__u64)BPF_CORE_READ(receiver, inet_conn.icsk_inet.sk.sk_user_data) & ~7ull);
	void *head = (void *)psock + bpf_core_field_offset(struct sk_psock, ingress_msg);

	return !psock || BPF_CORE_READ(psock, ingress_msg.next) == head;
}

#endif
