/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* sk_msg: redirects a message to the receiver's socket, if that preserves the order of the bytes and the memory limit.
 */
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
#include "policy/message-verdict.h"
#include "policy/message.h"

static __always_inline enum mb_message_verdict mb_find_peer(struct mb_socket *socket, __u32 size)
{
	if (mb_take_answer(socket))
		return socket->is_alone ? MB_PASS_NO_PEER : MB_REDIRECT;
	/* Its handshake may be running on another CPU. */
	if (mb_is_first(socket, size))
		return MB_PASS_FIRST;
	mb_take_back(socket);
	return MB_PASS_NO_PEER;
}

static __always_inline enum mb_message_verdict mb_decide_message(const bool plain, struct mb_socket *socket,
								 struct tcp_sock *sender,
								 const struct mb_settings *settings, __u32 size)
{
	enum mb_message_verdict verdict = socket->acceleration;

	if (verdict == MB_REDIRECT && !socket->peer_sock)
		verdict = mb_find_peer(socket, size);
	return verdict == MB_REDIRECT ? mb_may_redirect(plain, socket, sender, settings, size) : verdict;
}

static __always_inline int mb_message(const bool plain, struct sk_msg_md *msg)
{
	const struct mb_settings *settings = mb_settings();
	struct bpf_sock *sk = msg->sk;
	struct tcp_sock *sender;
	struct mb_socket *socket;
	enum mb_message_verdict verdict;
	__u32 size;

	if (!settings || !sk)
		return SK_PASS;
	socket = bpf_sk_storage_get(&socket_peer, sk, NULL, 0);
	sender = bpf_skc_to_tcp_sock(sk);
	if (!socket || !sender)
		return SK_PASS;
	if (socket->leaving) {
		mb_count(mb_counter_of(socket->reason), 1);
		return SK_PASS;
	}
	if (socket->generation != settings->generation) {
		__u32 generation = settings->generation;

		socket->acceleration = mb_acceleration_verdict(settings, socket->pods, socket->hop);
		socket->generation = generation;
	}
	size = msg->size;
	/* A receiver that leaves alone says so first, then checks whether a system call runs on this socket
	 * (mb_leave_alone). */
	if (profile.weakly_ordered)
		mb_barrier(&socket->order);
	verdict = mb_decide_message(plain, socket, sender, settings, size);
	if (verdict == MB_REDIRECT) {
		/* A failed look-up returns SK_DROP but changes nothing: the message takes the TCP stack anyway. */
		if (bpf_msg_redirect_hash(msg, &sock_pair_map, &socket->peer_key, BPF_F_INGRESS) == SK_PASS) {
			mb_account(&socket->unread, size);
			mb_count(MB_COUNT_REDIRECTED_MESSAGES, 1);
			mb_count(MB_COUNT_REDIRECTED_BYTES, size);
			return SK_PASS;
		}
		/* A socket that leaves says so before it deletes its key. If the key is missing without that, the
		 * socket was closed, which waits for its system calls. */
		barrier();
		verdict = mb_peer_has_in_flag(plain, socket) ? MB_PASS_PEER_GONE : MB_PASS_PEER_LEFT;
	}
	mb_count(mb_counter_of(verdict), 1);
	if (verdict == MB_PASS_FIRST)
		return SK_PASS;
	/* From now on everything that this socket sends takes the TCP stack (actions/leave.h). */
	if (verdict == MB_PASS_PEER_GONE)
		socket->is_alone = 1;
	socket->reason = verdict;
	socket->leaving = MB_SENDS_STACK;
	return SK_PASS;
}

SEC("sk_msg")
int mb_redirect_msg(struct sk_msg_md *msg)
{
	return mb_message(true, msg);
}

/* The same for kernels before Linux 6.2; see lib/read.h. */
SEC("sk_msg")
int mb_redirect_msg_by_calls(struct sk_msg_md *msg)
{
	return mb_message(false, msg);
}
