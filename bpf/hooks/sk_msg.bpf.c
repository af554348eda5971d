/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sk_msg: moves a message into the receiver's socket, if that keeps the order of the bytes and the bound on memory. */
#include "abi/counters.h"
#include "actions/pending-peers.h"
#include "lib/barrier.h"
#include "lib/bpf.h"
#include "lib/count.h"
#include "lib/kernel.h"
#include "lib/peer.h"
#include "maps/settings.h"
#include "maps/sockets.h"
#include "policy/acceleration.h"
#include "policy/backlog.h"
#include "policy/message.h"

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
