/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Data that was redirected to a socket and was not read yet: queued on its psock, or about to be queued by a sender. */
#ifndef MERBRIDGE_LIB_PSOCK_H
#define MERBRIDGE_LIB_PSOCK_H

#include "lib/bpf.h"
#include "lib/kernel.h"

/* The lowest bits of sk_user_data are flags (SK_USER_DATA_PTRMASK, include/net/sock.h). NULL for a socket that is in no
 * sockmap. */
static __always_inline struct sk_psock *mb_psock_of(struct tcp_sock *sock)
{
	return (void *)((__u64)BPF_CORE_READ(sock, inet_conn.icsk_inet.sk.sk_user_data) & ~7ull);
}

/* Has the reader read every redirected message? A socket without a psock has none. */
static __always_inline bool mb_psock_is_empty(struct tcp_sock *receiver)
{
	struct sk_psock *psock = mb_psock_of(receiver);
	void *head = (void *)psock + bpf_core_field_offset(struct sk_psock, ingress_msg);

	return !psock || BPF_CORE_READ(psock, ingress_msg.next) == head;
}

/* A pending timer holds a reference to its socket (sk_reset_timer in net/core/sock.c). */
#define mb_timer_references(socket, timer)                                                                             \
	(bpf_core_field_exists(socket->timer) && BPF_CORE_READ(socket, timer.entry.pprev) ? 1 : 0)

/* Is a sender between its verdict and queueing on this socket? tcp_bpf_send_verdict (net/ipv4/tcp_bpf.c) releases the
 * sender's lock before it queues a message, and holds a reference to the receiver meanwhile. So every reference that is
 * not accounted for may be such a sender. Others take references, too, so true only means "perhaps". False is reliable
 * if the receiver is locked and no new verdict redirects to it: the number of references is read first, and a timer
 * that ends after that is only missing among those that account for it.
 *
 * `own`: references of the caller. A segment holds one while it is processed (tcp_v4_rcv), and so does a timer,
 * unless it waited in the backlog for the end of a system call. */
static __always_inline bool mb_may_be_in_flight(struct tcp_sock *receiver, int own)
{
	int references = BPF_CORE_READ(receiver, inet_conn.icsk_inet.sk.__sk_common.skc_refcnt.refs.counter);
	int known = 2 + own; /* the socket itself and its psock */

	barrier();
	known += mb_timer_references(receiver, inet_conn.icsk_inet.sk.sk_timer);
	known += mb_timer_references(receiver, inet_conn.icsk_retransmit_timer);
	known += mb_timer_references(receiver, inet_conn.icsk_delack_timer);
	known += mb_timer_references(receiver, inet_conn.icsk_keepalive_timer);
	return references > known;
}

/* Is a system call running on this socket, and not sleeping? */
static __always_inline bool mb_is_owned(struct tcp_sock *sock)
{
	return BPF_CORE_READ(sock, inet_conn.icsk_inet.sk.sk_lock.owned);
}

#endif
