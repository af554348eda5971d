/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* May a message go straight to its receiver? Only if that keeps the order of the bytes and the bound on memory. */
#ifndef MERBRIDGE_POLICY_MESSAGE_H
#define MERBRIDGE_POLICY_MESSAGE_H

#include "abi/constants.h"
#include "abi/counters.h"
#include "abi/hop.h"
#include "lib/bpf.h"
#include "lib/peer.h"
#include "lib/read.h"
#include "maps/settings.h"
#include "maps/socket-storage.h"
#include "policy/backlog.h"
#include "policy/memory.h"

/* Sockets keep this program when the process that attached everything has died, but not the gate of ingress.bpf.c,
 * unless it is pinned: a path that changes while redirected bytes are unread is not safe any more. */
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

/* What an application may send to a sidecar in its first bytes. Less than its buffers hold: one that waits for room
 * while its bytes take the stack would be woken by the wrong event in recv(2) later (tcp_msg_wait_data in
 * net/ipv4/tcp_bpf.c). */
#define MB_FIRST_OF_APPLICATION (64u * 1024)

/* The first bytes that are dialled to a sidecar take the stack, until they have been read. A sidecar that refuses a
 * connection by what it peeks at, or because it reaches nobody, closes with bytes unread: TCP answers that with a
 * reset, but not for bytes that wait in a psock. */
static __always_inline bool mb_begins_on_stack(const struct mb_peer *peer)
{
	return peer->dialled && peer->hop != MB_HOP_DELIVERY;
}

static __always_inline bool mb_is_first(struct mb_peer *peer, __u32 size)
{
	if (!mb_begins_on_stack(peer) ||
	    peer->first > (peer->hop == MB_HOP_INBOUND ? profile.backlog_limit : MB_FIRST_OF_APPLICATION))
		return false;
	peer->first += size;
	return true;
}

/* Until the receiver has read everything that took the stack, a message would overtake it: a reader drains its psock
 * first. That is so at the beginning only, with the first bytes, or with data in a SYN. */
static __always_inline __u32 mb_begin(struct mb_peer *peer, bool is_read, __u32 size)
{
	if (is_read && (peer->first || !mb_begins_on_stack(peer))) {
		peer->first = MB_FIRST_READ;
		return MB_COUNT_REDIRECTED_MESSAGES;
	}
	return mb_is_first(peer, size) ? MB_COUNT_PASSED_FIRST : MB_COUNT_PASSED_BACKLOG;
}

/* May this message go straight to its receiver? Returns the counter of the reason why not, or
 * MB_COUNT_REDIRECTED_MESSAGES. */
static __always_inline __u32 mb_may_redirect(const bool plain, struct mb_peer *peer, struct tcp_sock *sender,
					     const struct mb_settings *settings, __u32 size)
{
	struct tcp_sock *receiver = (struct tcp_sock *)peer->sock;
	__u32 copied_seq = mb_read(plain, receiver, struct tcp_sock, copied_seq), bytes;
	bool is_in = mb_has_in_flag(plain, peer), over_limit;

	over_limit = mb_is_over_limit(plain, peer, receiver, &bytes);
	/* Last: what was read before is of that socket only if it is still there. */
	barrier();
	if (!mb_is_still_there(plain, peer))
		return MB_COUNT_PASSED_PEER_GONE;
	if (!is_in)
		return MB_COUNT_PASSED_PEER_LEFT;
	if (peer->first != MB_FIRST_READ) {
		__u32 verdict = mb_begin(peer, copied_seq == sender->write_seq, size);

		if (verdict != MB_COUNT_REDIRECTED_MESSAGES)
			return verdict;
	}
	if (over_limit || !mb_has_memory(plain, peer, sender, receiver))
		return MB_COUNT_PASSED_BACKLOG;
	/* Without an owner it ends here, for each direction at the first moment when nothing redirected is unread. */
	if (!bytes && !mb_has_owner(plain, settings))
		return MB_COUNT_PASSED_SCOPE;
	return MB_COUNT_REDIRECTED_MESSAGES;
}

#endif
