/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A connection is in sock_pair_map, or it is plain TCP, and it changes once.
 *
 * Bytes of one direction that wait in two places, on the psock and in the TCP receive queue, are read out of order, end
 * reads short, wake readers for nothing, and are not counted by FIONREAD. So no byte waits on the stack of a socket
 * that is in the map, but for first bytes (policy/message.h):
 *
 * 1. A sender that has to use the stack does so for ever (hooks/sk_msg.bpf.c), and its segments carry a TCP option from
 * then on.
 * 2. Such a segment is dropped while anything that was redirected is unread (hooks/ingress.bpf.c). TCP sends it again.
 * 3. The option keeps the receiver off the fast path, so that BPF_SOCK_OPS_PARSE_HDR_OPT_CB runs on its socket, locked,
 * before the segment is queued. With nothing unread and nothing on its way, the receiver takes its own key out there:
 * what is queued next is queued on a plain TCP socket, and wakes its reader.
 * 4. It marks its own segments in turn, and the sender leaves as well when the first of them arrives.
 *
 * Nothing is on its way: the option is written under the sender's lock, after the last of its verdicts, and each
 * verdict holds a reference to the receiver until its message is queued (lib/psock.h). So whoever sees the option sees
 * them all, also with several threads that send. */
#ifndef MERBRIDGE_ACTIONS_LEAVE_H
#define MERBRIDGE_ACTIONS_LEAVE_H

#include "abi/counters.h"
#include "abi/hop.h"
#include "actions/count-sockets.h"
#include "actions/pending-peers.h"
#include "lib/barrier.h"
#include "lib/bpf.h"
#include "lib/count.h"
#include "lib/peer.h"
#include "lib/psock.h"
#include "lib/tuple.h"
#include "maps/sockets.h"
#include "policy/message-verdict.h"

/* RFC 6994: kind 254, with an identifier of our own. It never leaves the node: both ends are sockets of its pods. */
#define MB_OPTION_KIND 254
#define MB_OPTION_SIZE 4
#define MB_OPTION_ID 0x4d42

struct mb_option {
	__u8 kind;
	__u8 size;
	__be16 id;
};

static __always_inline struct mb_option mb_leave_option(void)
{
	struct mb_option option = { .kind = MB_OPTION_KIND, .size = MB_OPTION_SIZE, .id = bpf_htons(MB_OPTION_ID) };

	return option;
}

static __always_inline bool mb_is_leave_option(const struct mb_option *option)
{
	return option->kind == MB_OPTION_KIND && option->size == MB_OPTION_SIZE &&
	       option->id == bpf_htons(MB_OPTION_ID);
}

/* Is the other end still in the map? One that is not known counts: it may have entered. */
static __always_inline bool mb_peer_is_in(const struct mb_socket *socket)
{
	return !socket->peer_sock || (mb_peer_has_in_flag(false, socket) && mb_peer_is_still_there(false, socket));
}

/* The socket is locked, nothing that was redirected to it is unread, and nothing is on its way. */
static __noinline void mb_leave(struct bpf_sock_ops *ctx, struct mb_socket *socket)
{
	struct mb_tuple own;

	/* First, so that nobody finds the flag and no key. */
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~MB_IN_FLAG);
	if (socket->leaving == MB_IN)
		socket->reason = MB_PASS_PEER_LEFT;
	socket->leaving = MB_OUT;
	mb_reverse(&socket->peer_key, &own);
	bpf_map_delete_elem(&sock_pair_map, &own);
	mb_uncount(socket);
	mb_count(MB_COUNT_SOCKETS_LEFT, 1);
}

/* References to a locked socket that whoever runs this program holds: of the segment or the timer that it runs for, if
 * it is no system call. */
static __always_inline int mb_own_references(struct tcp_sock *self)
{
	return mb_is_owned(self) ? 0 : 1;
}

/* How often to look whether a system call on the other end has ended: some 20 microseconds, and most take less. */
#define MB_LOOKS 400

static __always_inline bool mb_becomes_quiet(struct tcp_sock *other)
{
	for (int i = 0; i < MB_LOOKS; i++)
		if (!mb_is_owned(other))
			return true;
	return false;
}

/* Is this an application's end, and not a sidecar's? */
static __always_inline bool mb_is_application(const struct mb_socket *socket)
{
	return socket->dialled ? socket->hop == MB_HOP_OUTBOUND || socket->hop == MB_HOP_DIRECT
			       : socket->hop == MB_HOP_DELIVERY;
}

/* An application's socket that half-closes leaves without a word from the other end. In the map a recv(2) that waits
 * for the answer would be woken by the acknowledgement of its FIN, and return EAGAIN (tcp_msg_wait_data in
 * net/ipv4/tcp_bpf.c). With redirected bytes unread it cannot: they would be lost, and the acknowledgement is held back
 * instead (hooks/ingress.bpf.c). Sidecars do not block.
 *
 * First it says that it is out, so that no verdict for it begins (hooks/sk_msg.bpf.c). A verdict is made, and the
 * reference to this socket taken, by a system call that has the other end's lock: if none has it now, each that began
 * before shows as a reference. */
static __noinline void mb_leave_alone(struct bpf_sock_ops *ctx, struct mb_socket *socket, struct tcp_sock *self)
{
	struct tcp_sock *other;
	bool is_quiet;

	/* One that has dialled and sent nothing yet. */
	if (!socket->peer_sock && !mb_take_answer(socket))
		mb_take_back(socket);
	if (socket->is_alone)
		mb_leave(ctx, socket);
	if (socket->is_alone || !socket->peer_sock)
		return;
	other = (struct tcp_sock *)socket->peer_sock;
	bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~MB_IN_FLAG);
	mb_barrier(&socket->order);
	is_quiet = !mb_peer_is_in(socket) || mb_becomes_quiet(other);
	mb_barrier(&socket->order);
	if (is_quiet && !mb_may_be_in_flight(self, mb_own_references(self)) && mb_psock_is_empty(self))
		mb_leave(ctx, socket);
	else
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | MB_IN_FLAG);
}

/* BPF_SOCK_OPS_HDR_OPT_LEN_CB, for each segment, and for tcp_current_mss without one: room for the option while the
 * other end has to be told. */
static __always_inline void mb_on_option_length(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_socket *socket = sk ? bpf_sk_storage_get(&socket_peer, sk, NULL, 0) : NULL;
	struct tcp_sock *self = socket && socket->leaving != MB_IN ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (!self)
		return;
	if (socket->leaving != MB_OUT && mb_psock_is_empty(self)) {
		/* An application's: before its sender goes on to wait for an answer in recv(2), where the room that the
		 * first acknowledgement gives would wake it. */
		if (socket->is_alone)
			mb_leave(ctx, socket);
		else if (socket->peer_sock && mb_is_application(socket) && mb_psock_of(self) && mb_is_owned(self))
			mb_leave_alone(ctx, socket, self);
	}
	if (!socket->is_alone && mb_peer_is_in(socket))
		bpf_reserve_hdr_opt(ctx, MB_OPTION_SIZE, 0);
	else if (socket->leaving == MB_OUT)
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
}

static __always_inline void mb_on_option_write(struct bpf_sock_ops *ctx)
{
	struct mb_option option = mb_leave_option();

	bpf_store_hdr_opt(ctx, &option, sizeof(option), 0);
}

/* BPF_SOCK_OPS_PARSE_HDR_OPT_CB, for each segment with an option that TCP does not know. */
static __always_inline void mb_on_option_read(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_option option = mb_leave_option();
	struct mb_socket *socket;
	struct tcp_sock *self;

	if (!sk || bpf_load_hdr_opt(ctx, &option, sizeof(option), 0) != MB_OPTION_SIZE)
		return;
	socket = bpf_sk_storage_get(&socket_peer, sk, NULL, 0);
	self = bpf_skc_to_tcp_sock(sk);
	if (socket && self && socket->leaving != MB_OUT && mb_psock_is_empty(self) &&
	    !mb_may_be_in_flight(self, mb_own_references(self)))
		mb_leave(ctx, socket);
}

/* A socket sends no more: it is closed, and then the kernel has taken it out of the map already, or it half-closes. */
static __noinline void mb_on_last(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_socket *socket = sk ? bpf_sk_storage_get(&socket_peer, sk, NULL, 0) : NULL;
	struct tcp_sock *self = socket ? bpf_skc_to_tcp_sock(sk) : NULL;

	if (!self || socket->leaving == MB_OUT)
		return;
	if (mb_is_application(socket) && mb_psock_of(self)) {
		if (mb_psock_is_empty(self))
			mb_leave_alone(ctx, socket, self);
	} else if (socket->leaving == MB_IN) {
		/* It has nothing to say any more, and most connections end like this. */
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
	}
}

/* A socket is disconnected (connect(2) with AF_UNSPEC): TCP throws away what is unread, but its psock survives that
 * (tcp_disconnect in net/ipv4/tcp.c). Nothing else ends an open connection without an error: close(2) has taken the
 * psock away before. */
static __always_inline bool mb_is_disconnected(struct bpf_sock_ops *ctx, struct tcp_sock *self)
{
	__u32 before = ctx->args[0];

	return (before == BPF_TCP_ESTABLISHED || before == BPF_TCP_FIN_WAIT1 || before == BPF_TCP_CLOSE_WAIT) &&
	       mb_psock_of(self) && !self->inet_conn.icsk_inet.sk.sk_err;
}

/* The connection of a socket has ended. */
static __always_inline void mb_on_end(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_socket *socket = sk ? bpf_sk_storage_get(&socket_peer, sk, NULL, 0) : NULL;
	struct tcp_sock *self = socket ? bpf_skc_to_tcp_sock(sk) : NULL;

	/* Other programs ask for the states of their own sockets. */
	if (!self)
		return;
	if (socket->leaving != MB_OUT && mb_is_disconnected(ctx, self))
		mb_leave(ctx, socket);
	mb_uncount(socket);
}

/* A socket dials, perhaps not for the first time: nothing of an earlier connection may be left. */
static __always_inline void mb_forget_earlier(struct bpf_sock_ops *ctx, struct bpf_sock *sk)
{
	struct mb_socket *socket = sk ? bpf_sk_storage_get(&socket_peer, sk, NULL, 0) : NULL;

	if (!socket)
		return;
	if (socket->leaving != MB_OUT)
		mb_leave(ctx, socket);
	bpf_sk_storage_delete(&socket_peer, sk);
}

#endif
