/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sk_msg: moves a message into the receiver's socket, if that keeps the order of the bytes and the bound on memory. */
#include "memory.h"
#include "scope.h"

/* A sender that outran its reader keeps to the stack for this long: each change of path costs a retransmission (see ingress.bpf.c). */
#define MB_BULK_NS (1000ull * 1000 * 1000)

/* Sockets keep this program when the process that attached everything has died, but not the gate of ingress.bpf.c: a path that changes while
 * redirected bytes are unread is not safe any more. */
static __always_inline bool mb_has_owner(const struct mb_settings *settings)
{
	struct tcp_sock *owner = (struct tcp_sock *)settings->owner;
	__u64 cookie = 0;
	__u8 state = 0;

	bpf_probe_read_kernel(&state, sizeof(state), (void *)&owner->inet_conn.icsk_inet.sk.__sk_common.skc_state);
	BPF_CORE_READ_INTO(&cookie, owner, inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter);
	return state == BPF_TCP_ESTABLISHED && cookie == settings->owner_cookie;
}

/* The receiver drains what is queued on its psock before its TCP receive queue. So a message may overtake nothing: every byte that this
 * sender gave to the stack must have been read. And a sockmap redirect has no flow control: what the receiver has not read is charged
 * to its sk_rmem_alloc, and above the limit the stack, which has a window, takes over. Returns the counter of the reason, or
 * MB_COUNT_REDIRECTED. */
static __always_inline __u32 mb_may_redirect(struct mb_peer *peer, struct tcp_sock *sender, const struct mb_settings *settings)
{
	struct tcp_sock *receiver = (struct tcp_sock *)peer->sock;
	__u32 copied_seq = 0;
	int charged = 0;
	__u64 cookie = 0;

	BPF_CORE_READ_INTO(&copied_seq, receiver, copied_seq);
	BPF_CORE_READ_INTO(&charged, receiver, inet_conn.icsk_inet.sk.sk_backlog.rmem_alloc.counter);
	/* Last: TCP sockets are SLAB_TYPESAFE_BY_RCU, so the memory is always a TCP socket, and the cookie tells whether still this one. */
	BPF_CORE_READ_INTO(&cookie, receiver, inet_conn.icsk_inet.sk.__sk_common.skc_cookie.counter);
	if (cookie != peer->cookie)
		return MB_COUNT_PASSED_NO_PEER;
	if (copied_seq != sender->write_seq)
		return MB_COUNT_PASSED_UNDRAINED;
	if (charged < 0 || (__u32)charged > profile.backlog_limit || !mb_has_memory(sender, receiver)) {
		peer->bulk_since = bpf_ktime_get_ns();
		return MB_COUNT_PASSED_BACKLOG;
	}
	if (peer->bulk_since) {
		if (bpf_ktime_get_ns() - peer->bulk_since < MB_BULK_NS)
			return MB_COUNT_PASSED_BACKLOG;
		peer->bulk_since = 0;
	}
	/* Without an owner it ends here, for each direction at the first moment when nothing redirected is unread. */
	if (!charged && !mb_has_owner(settings))
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

SEC("sk_msg")
int mb_redirect_msg(struct sk_msg_md *msg)
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

		peer->allowed = mb_in_scope(settings, peer->pods, peer->hop);
		peer->generation = generation;
	}
	sender = bpf_skc_to_tcp_sock(sk);
	if (!peer->allowed)
		verdict = MB_COUNT_PASSED_SCOPE;
	else if (!sender || (!peer->sock && !mb_find_peer(peer)))
		verdict = MB_COUNT_PASSED_NO_PEER;
	else
		verdict = mb_may_redirect(peer, sender, settings);
	if (verdict == MB_COUNT_REDIRECTED) {
		__u32 size = msg->size;

		/* A failed look-up answers SK_DROP but changes nothing: the message takes the stack all the same. */
		if (bpf_msg_redirect_hash(msg, &sock_pair_map, &peer->key, BPF_F_INGRESS) == SK_PASS)
			mb_count(MB_COUNT_REDIRECTED_BYTES, size);
		else
			verdict = MB_COUNT_PASSED_NO_PEER;
	}
	mb_count(verdict, 1);
	return SK_PASS;
}
