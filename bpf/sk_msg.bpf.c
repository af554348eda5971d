/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sk_msg: moves a message into the receiver's socket, if that keeps the order of the bytes and the bound on memory. */
#include "memory.h"
#include "psock.h"
#include "scope.h"

/* A sender that outran its reader keeps to the stack for this long: each change of path costs a retransmission (see ingress.bpf.c). */
#define MB_BULK_NS (1000ull * 1000 * 1000)

/* Sockets keep this program when the process that attached everything has died, but not the gate of ingress.bpf.c, unless it is pinned: a path
 * that changes while redirected bytes are unread is not safe any more. */
static __always_inline bool mb_has_owner(const bool plain, const struct mb_settings *settings)
{
	struct tcp_sock *owner = (struct tcp_sock *)settings->owner;

	if (settings->owner == MB_OWNER_PINS)
		return true;
	return mb_read(plain, owner, struct tcp_sock, inet_conn.icsk_inet.sk.__sk_common.skc_state) == BPF_TCP_ESTABLISHED &&
	       mb_read(plain, owner, struct tcp_sock, inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter) ==
		       (__s64)settings->owner_cookie;
}

/* A message that waits costs the kernel a struct sk_msg, whatever is in it: about 1 KiB, which nobody is charged for. So messages are bounded,
 * too: backlog_limit is room for so many as if each had at least this many bytes. */
#define MB_LEAST_MESSAGE 512

/* Does more wait than may? A sockmap redirect has no flow control. Where the kernel charges what waits to the receiver (sk_rmem_alloc), bytes
 * are exact, and no more messages wait than fit into them. Where it does not, all counts as unread until the receiver has read everything. */
static __always_inline bool mb_is_over_limit(const bool plain, struct mb_peer *peer, struct tcp_sock *receiver, __u32 *bytes)
{
	struct mb_unread *unread = &peer->unread;
	__u32 messages;
	int charged = 0;

	if (profile.charged) {
		charged = mb_read(plain, receiver, struct tcp_sock, inet_conn.icsk_inet.sk.sk_backlog.rmem_alloc.counter);
		if (!charged)
			unread->messages = 0;
		*bytes = charged;
		messages = unread->messages;
		if (messages > profile.backlog_limit / MB_LEAST_MESSAGE && unread->smallest && *bytes / unread->smallest < messages)
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

/* The receiver drains what is queued on its psock before its TCP receive queue. So a message may overtake nothing: every byte that this
 * sender gave to the stack must have been read. And above the limit the stack, which has a window, takes over. Returns the counter of the
 * reason, or MB_COUNT_REDIRECTED. */
static __always_inline __u32 mb_may_redirect(const bool plain, struct mb_peer *peer, struct tcp_sock *sender,
					     const struct mb_settings *settings)
{
	struct tcp_sock *receiver = (struct tcp_sock *)peer->sock;
	__u32 copied_seq = mb_read(plain, receiver, struct tcp_sock, copied_seq), bytes;
	bool over_limit;

	over_limit = mb_is_over_limit(plain, peer, receiver, &bytes);
	/* Last: TCP sockets are SLAB_TYPESAFE_BY_RCU, so the memory is always a TCP socket, and the cookie tells whether still this one. */
	barrier();
	if ((__u64)mb_read(plain, receiver, struct tcp_sock, inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter) != peer->cookie)
		return MB_COUNT_PASSED_PEER_GONE;
	if (copied_seq != sender->write_seq)
		return MB_COUNT_PASSED_UNDRAINED;
	if (over_limit || !mb_has_memory(plain, peer, sender, receiver)) {
		peer->bulk_since = bpf_ktime_get_ns();
		return MB_COUNT_PASSED_BACKLOG;
	}
	if (peer->bulk_since) {
		if (bpf_ktime_get_ns() - peer->bulk_since < MB_BULK_NS)
			return MB_COUNT_PASSED_BACKLOG;
		peer->bulk_since = 0;
	}
	/* Without an owner it ends here, for each direction at the first moment when nothing redirected is unread. */
	if (!bytes && !mb_has_owner(plain, settings))
		return MB_COUNT_PASSED_SCOPE;
	return MB_COUNT_REDIRECTED;
}

/* The accepting side knows its peer from the handshake on; the dialling side finds it here, once. */
static __always_inline bool mb_find_peer(struct mb_peer *peer)
{
	struct mb_introduction *other = bpf_map_lookup_elem(&peer_introductions, &peer->key);

	if (!other)
		return false;
	peer->cookie = other->cookie;
	peer->sock = other->sock;
	bpf_map_delete_elem(&peer_introductions, &peer->key);
	return true;
}

static __always_inline int mb_message(const bool plain, struct sk_msg_md *msg)
{
	const struct mb_settings *settings = mb_settings();
	struct bpf_sock *sk = msg->sk;
	struct mb_peer *peer;
	struct tcp_sock *sender;
	__u32 verdict;

	if (!settings || !sk)
		return SK_PASS;
	peer = bpf_sk_storage_get(&socket_peer, sk, NULL, 0);
	if (!peer)
		return SK_PASS;
	if (peer->generation != settings->generation) {
		__u32 generation = settings->generation;

		peer->refusal = mb_refusal(settings, peer->pods, peer->hop);
		peer->generation = generation;
	}
	sender = bpf_skc_to_tcp_sock(sk);
	if (peer->refusal != MB_COUNT_REDIRECTED)
		verdict = peer->refusal;
	else if (!sender || (!peer->sock && !mb_find_peer(peer)))
		verdict = MB_COUNT_PASSED_NO_PEER;
	else
		verdict = mb_may_redirect(plain, peer, sender, settings);
	if (verdict == MB_COUNT_REDIRECTED) {
		__u32 size = msg->size;

		/* A failed look-up answers SK_DROP but changes nothing: the message takes the stack all the same. */
		if (bpf_msg_redirect_hash(msg, &sock_pair_map, &peer->key, BPF_F_INGRESS) == SK_PASS) {
			mb_account(&peer->unread, size);
			mb_count(MB_COUNT_REDIRECTED_BYTES, size);
		} else {
			verdict = MB_COUNT_PASSED_PEER_GONE;
		}
	}
	mb_count(verdict, 1);
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
