/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* May a message be redirected to its receiver? Only if that preserves the order of the bytes and the memory limit. */
#ifndef MERBRIDGE_POLICY_MESSAGE_H
#define MERBRIDGE_POLICY_MESSAGE_H

#include "abi/constants.h"
#include "abi/hop.h"
#include "lib/bpf.h"
#include "lib/peer.h"
#include "lib/read.h"
#include "maps/settings.h"
#include "maps/socket-storage.h"
#include "policy/backlog.h"
#include "policy/memory.h"
#include "policy/message-verdict.h"

/* Sockets keep this program after the process that attached everything has died. But the gate of hooks/ingress.bpf.c is
 * detached then, unless it is pinned. Without the gate it is not safe to change the path while redirected bytes are
 * unread. */
static __always_inline bool mb_has_owner(const bool plain, const struct mb_settings *settings)
{
	struct tcp_sock *owner = (struct tcp_sock *)settings->owner;

	if (settings->owner == MB_OWNER_PINS)
		return true;
	return mb_read(plain, owner, struct tcp_sock, inet_conn.icsk_inet.sk.__sk_common.skc_state) ==
		       BPF_TCP_ESTABLISHED &&
	       mb_read(plain, owner, struct tcp_sock, inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter) ==
		       (__s64)settings->owner_cookie;
}

/* Maximum number of first bytes that an application may send to a sidecar. It is less than its buffers hold. Otherwise
 * an application that waits for buffer space while its bytes take the TCP stack would later be woken by the wrong event
 * in recv(2) (tcp_msg_wait_data in net/ipv4/tcp_bpf.c). */
#define MB_FIRST_OF_APPLICATION (64u * 1024)

/* The first bytes to a dialled sidecar take the TCP stack until they have been read. A sidecar may refuse a connection
 * because of the bytes that it peeks at, or because it cannot reach the destination, and close with bytes unread. TCP
 * then sends a reset, but not for bytes that wait in a psock. */
static __always_inline bool mb_begins_on_stack(const struct mb_socket *socket)
{
	return socket->dialled && socket->hop != MB_HOP_DELIVERY;
}

static __always_inline bool mb_is_first(struct mb_socket *socket, __u32 size)
{
	if (!mb_begins_on_stack(socket) ||
	    socket->first > (socket->hop == MB_HOP_INBOUND ? profile.backlog_limit : MB_FIRST_OF_APPLICATION))
		return false;
	socket->first += size;
	return true;
}

/* Until the receiver has read everything that took the TCP stack, a redirected message would overtake it, because a
 * reader drains its psock first. That happens only at the beginning, with the first bytes, or with data in a SYN. */
static __always_inline enum mb_message_verdict mb_begin(struct mb_socket *socket, bool is_read, __u32 size)
{
	if (is_read && (socket->first || !mb_begins_on_stack(socket))) {
		socket->first = MB_FIRST_READ;
		return MB_REDIRECT;
	}
	return mb_is_first(socket, size) ? MB_PASS_FIRST : MB_PASS_BACKLOG;
}

/* May this message be redirected to its receiver? */
static __always_inline enum mb_message_verdict mb_may_redirect(const bool plain, struct mb_socket *socket,
							       struct tcp_sock *sender,
							       const struct mb_settings *settings, __u32 size)
{
	struct tcp_sock *receiver = (struct tcp_sock *)socket->peer_sock;
	__u32 copied_seq = mb_read(plain, receiver, struct tcp_sock, copied_seq), bytes;
	bool is_in = mb_peer_has_in_flag(plain, socket), over_limit;

	over_limit = mb_is_over_limit(plain, socket, receiver, &bytes);
	/* Checked last: the values that were read before belong to that socket only if it still exists. */
	barrier();
	if (!mb_peer_is_still_there(plain, socket))
		return MB_PASS_PEER_GONE;
	if (!is_in)
		return MB_PASS_PEER_LEFT;
	if (socket->first != MB_FIRST_READ) {
		enum mb_message_verdict verdict = mb_begin(socket, copied_seq == sender->write_seq, size);

		if (verdict != MB_REDIRECT)
			return verdict;
	}
	if (over_limit || !mb_has_memory(plain, socket, sender, receiver))
		return MB_PASS_BACKLOG;
	/* Without an owner, redirection ends here, for each direction as soon as no redirected data is unread. */
	if (!bytes && !mb_has_owner(plain, settings))
		return MB_PASS_SCOPE;
	return MB_REDIRECT;
}

#endif
