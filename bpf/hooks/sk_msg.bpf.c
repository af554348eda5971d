/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sk_msg: moves a message into the receiver's socket, if that keeps the order of the bytes and the bound on memory. */
#include "actions/pending-peers.h"
#include "policy/memory.h"
#include "lib/psock.h"
#include "policy/acceleration.h"

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

/* A message that waits costs the kernel a struct sk_msg, whatever is in it: about 1 KiB, which nobody is charged for.
 * So messages are bounded, too: backlog_limit is room for so many as if each had at least this many bytes. */
#define MB_LEAST_MESSAGE 512

/* Does more wait than may? A sockmap redirect has no flow control. Where the kernel charges what waits to the receiver
 * (sk_rmem_alloc), bytes are exact, and no more messages wait than fit into them. Where it does not, all counts as
 * unread until the receiver has read everything. */
static __always_inline bool mb_is_over_limit(const bool plain, struct mb_peer *peer, struct tcp_sock *receiver,
					     __u32 *bytes)
{
	struct mb_unread *unread = &peer->unread;
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

static __always_inline __u32 mb_find_peer(struct mb_peer *peer, __u32 size)
{
	if (mb_take_answer(peer))
		return peer->is_alone ? MB_COUNT_PASSED_NO_PEER : MB_COUNT_REDIRECTED_MESSAGES;
	/* Its handshake may be under way on another CPU. */
	if (mb_is_first(peer, size))
		return MB_COUNT_PASSED_FIRST;
	mb_take_back(peer);
	return MB_COUNT_PASSED_NO_PEER;
}

static __always_inline __u32 mb_decide_message(const bool plain, struct mb_peer *peer, struct tcp_sock *sender,
					       const struct mb_settings *settings, __u32 size)
{
	__u32 verdict = peer->refusal;

	if (verdict == MB_COUNT_REDIRECTED_MESSAGES && !peer->sock)
		verdict = mb_find_peer(peer, size);
	return verdict == MB_COUNT_REDIRECTED_MESSAGES ? mb_may_redirect(plain, peer, sender, settings, size) : verdict;
}

static __always_inline int mb_message(const bool plain, struct sk_msg_md *msg)
{
	const struct mb_settings *settings = mb_settings();
	struct bpf_sock *sk = msg->sk;
	struct tcp_sock *sender;
	struct mb_peer *peer;
	__u32 verdict, size;

	if (!settings || !sk)
		return SK_PASS;
	peer = bpf_sk_storage_get(&socket_peer, sk, NULL, 0);
	sender = bpf_skc_to_tcp_sock(sk);
	if (!peer || !sender)
		return SK_PASS;
	if (peer->leaving) {
		mb_count(peer->reason, 1);
		return SK_PASS;
	}
	if (peer->generation != settings->generation) {
		__u32 generation = settings->generation;

		peer->refusal = mb_refusal(settings, peer->pods, peer->hop);
		peer->generation = generation;
	}
	size = msg->size;
	/* A receiver that leaves by itself says so, then looks whether this socket is at work (mb_leave_alone). */
	if (profile.weakly_ordered)
		mb_barrier(&peer->order);
	verdict = mb_decide_message(plain, peer, sender, settings, size);
	if (verdict == MB_COUNT_REDIRECTED_MESSAGES) {
		/* A failed look-up answers SK_DROP but changes nothing: the message takes the stack all the same. */
		if (bpf_msg_redirect_hash(msg, &sock_pair_map, &peer->key, BPF_F_INGRESS) == SK_PASS) {
			mb_account(&peer->unread, size);
			mb_count(MB_COUNT_REDIRECTED_MESSAGES, 1);
			mb_count(MB_COUNT_REDIRECTED_BYTES, size);
			return SK_PASS;
		}
		/* One that leaves says so before it takes its key out. Without a key it is closed otherwise, which
		 * waits for its system calls. */
		barrier();
		verdict = mb_has_in_flag(plain, peer) ? MB_COUNT_PASSED_PEER_GONE : MB_COUNT_PASSED_PEER_LEFT;
	}
	mb_count(verdict, 1);
	if (verdict == MB_COUNT_PASSED_FIRST)
		return SK_PASS;
	/* From now on everything that this socket sends takes the stack (leave.h). */
	if (verdict == MB_COUNT_PASSED_PEER_GONE)
		peer->is_alone = 1;
	peer->reason = verdict;
	peer->leaving = MB_SENDS_STACK;
	return SK_PASS;
}

SEC("sk_msg")
int mb_redirect_msg(struct sk_msg_md *msg)
{
	return mb_message(true, msg);
}

/* The same for kernels before Linux 6.2; see read.h. */
SEC("sk_msg")
int mb_redirect_msg_by_calls(struct sk_msg_md *msg)
{
	return mb_message(false, msg);
}
