/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The bound on what waits in a socket for its reader. */
#ifndef MERBRIDGE_POLICY_BACKLOG_H
#define MERBRIDGE_POLICY_BACKLOG_H

#include "lib/bpf.h"
#include "lib/psock.h"
#include "lib/read.h"
#include "maps/settings.h"
#include "maps/socket-storage.h"

/* A message that waits costs the kernel a struct sk_msg, whatever is in it: about 1 KiB, which nobody is charged for.
 * So messages are bounded, too: backlog_limit is room for so many as if each had at least this many bytes. */
#define MB_LEAST_MESSAGE 512

/* Does more wait than may? A sockmap redirect has no flow control. Where the kernel charges what waits to the receiver
 * (sk_rmem_alloc), bytes are exact, and no more messages wait than fit into them. Where it does not, all counts as
 * unread until the receiver has read everything. */
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
