/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Limit of the data that waits in a socket for its reader. */
#ifndef MERBRIDGE_POLICY_BACKLOG_H
#define MERBRIDGE_POLICY_BACKLOG_H

#include "lib/bpf.h"
#include "lib/psock.h"
#include "lib/read.h"
#include "maps/settings.h"
#include "maps/socket-storage.h"

/* A waiting message costs the kernel a struct sk_msg of about 1 KiB, whatever its size, which is charged to nobody. So
 * the number of messages is limited, too: each counts as at least this many bytes of backlog_limit. */
#define MB_LEAST_MESSAGE 512

/* Does more data wait than the limit allows? A sockmap redirect has no flow control. If the kernel charges waiting data
 * to the receiver (sk_rmem_alloc), the number of bytes is exact, and it bounds the number of messages. If it does not,
 * all data counts as unread until the receiver has read everything. */
static __always_inline bool mb_is_over_limit(const bool plain, struct mb_socket *socket, struct tcp_sock *receiver,
					     __u32 *bytes)
{
	struct mb_unread *unread = &socket->unread;
	__u32 messages;
	int charged = 0;

	if (profile.charged) {
		charged =
			mb_read(plain, receiver, struct tcp_sock, inet_conn.icsk_inet.sk.sk_backlog.rmem_alloc.counter);
		if (!charged)
			unread->messages = 0;
		*bytes = charged;
		messages = unread->messages;
		if (messages > profile.backlog_limit / MB_LEAST_MESSAGE && unread->smallest &&
		    *bytes / unread->smallest < messages)
			messages = *bytes / unread->smallest;
	} else {
		if (unread->messages && mb_psock_is_empty(receiver)) {
			unread->messages = 0;
			unread->bytes = 0;
		}
		*bytes = unread->bytes;
		messages = unread->messages;
	}
	return charged < 0 || *bytes > profile.backlog_limit || messages > profile.backlog_limit / MB_LEAST_MESSAGE;
}

static __always_inline void mb_account(struct mb_unread *unread, __u32 size)
{
	if (!unread->messages || size < unread->smallest)
		unread->smallest = size;
	unread->messages++;
	unread->bytes += size;
}

#endif
