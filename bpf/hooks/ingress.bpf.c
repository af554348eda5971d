/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup_skb/ingress: data that took the TCP stack must not arrive before redirected data has been read.
 *
 * A read ends at the end of the psock, even if more data waits in the TCP receive queue. Many programs interpret such a
 * short read as "no more data". With edge-triggered epoll they sleep until the next event (nginx, tokio), which has
 * happened already. Together with EPOLLRDHUP they interpret it as the end of the stream (HAProxy, libuv), and truncate
 * the stream. So a segment that arrives while redirected bytes are unread is dropped, as if the network had lost it,
 * and TCP retransmits it. By then the receiver has left sock_pair_map (actions/leave.h), and the arrival is a separate
 * event. */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include "abi/counters.h"
#include "actions/leave.h"
#include "lib/bpf.h"
#include "lib/count.h"
#include "lib/kernel.h"
#include "lib/psock.h"
#include "lib/read.h"
#include "maps/sockets.h"
#include "maps/stats.h"

/* TCP doubles its wait with each retransmission, and gives up after some minutes. So while a reader stalls, one segment
 * is let through within this time. Then TCP starts again with short waits, and a reader that continues waits at most
 * this long for the next segment, with which its socket leaves. TCP has no room for that segment if an application has
 * made its receive buffer smaller than the data that it may hold. */
#define MB_HOLD_NS (2ull * 1000 * 1000 * 1000)
/* No segment follows the last one, so nothing would wake a reader that stops at a short read. The last one is held back
 * longer, but not until a sender with its own timeout (TCP_USER_TIMEOUT; gRPC has 20 s) gives up. */
#define MB_HOLD_LAST_NS (10ull * 1000 * 1000 * 1000)

struct mb_segment {
	__u32 seq;
	__u32 acknowledged;
	__u32 size; /* bytes of data */
	bool fin;
	bool rst;
	bool is_marked;
};

/* Packets are IPv4 for sockets of both families, because only mapped addresses are accelerated. */
static __always_inline bool mb_read_segment(struct __sk_buff *skb, struct mb_segment *segment)
{
	struct mb_option option = {};
	struct tcphdr tcp;
	struct iphdr ip;
	__u32 header;

	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return false;
	if (bpf_skb_load_bytes(skb, ip.ihl * 4, &tcp, sizeof(tcp)))
		return false;
	header = ip.ihl * 4 + tcp.doff * 4;
	segment->seq = bpf_ntohl(tcp.seq);
	segment->acknowledged = bpf_ntohl(tcp.ack_seq);
	segment->size = skb->len > header ? skb->len - header : 0;
	segment->fin = tcp.fin;
	segment->rst = tcp.rst;
	/* The kernel puts the options of programs after all others. */
	segment->is_marked = tcp.doff > sizeof(tcp) / 4 &&
			     !bpf_skb_load_bytes(skb, header - sizeof(option), &option, sizeof(option)) &&
			     mb_is_leave_option(&option);
	return true;
}

/* Does the sender have nothing to send after this segment, or only the end of the stream? */
static __always_inline bool mb_is_last(const struct mb_socket *socket, const struct mb_segment *segment)
{
	struct tcp_sock *sender = (struct tcp_sock *)socket->peer_sock;

	return sender && mb_read(false, sender, struct tcp_sock, write_seq) - (segment->seq + segment->size) <= 1;
}

/* include/net/sock.h */
#define SEND_SHUTDOWN 2

/* Number of retransmissions that TCP must have left before it gives up (tcp_retries2). */
#define MB_RETRIES_LEFT 3

/* Does the segment contain the next bytes, or the end of the stream? */
static __always_inline bool mb_is_next(struct tcp_sock *receiver, const struct mb_segment *segment)
{
	__s32 ahead = segment->seq - receiver->rcv_nxt;

	return ahead <= 0 && ahead + (__s32)segment->size + segment->fin > 0;
}

/* Is this a keepalive probe or a window probe? TCP answers it and ignores everything else in it. */
static __always_inline bool mb_is_probe(struct tcp_sock *receiver, const struct mb_segment *segment)
{
	return !segment->size && !segment->fin && segment->seq == receiver->rcv_nxt - 1;
}

/* An application that has half-closed but could not leave at that moment (mb_on_last) may wait in recv(2) for the
 * answer. A segment that acknowledges its FIN without data would wake it, and recv would return EAGAIN. TCP retransmits
 * the FIN until an answer over the TCP stack, or the end of the stream, acknowledges it. */
static __always_inline bool mb_would_wake_reader(const struct mb_socket *socket, struct tcp_sock *receiver,
						 const struct mb_segment *segment)
{
	struct inet_connection_sock *connection = &receiver->inet_conn;
	struct sock *sk = &connection->icsk_inet.sk;

	return segment->acknowledged == receiver->write_seq && !segment->rst && !mb_is_next(receiver, segment) &&
	       !mb_is_probe(receiver, segment) && sk->sk_shutdown == SEND_SHUTDOWN && mb_is_application(socket) &&
	       mb_psock_of(receiver) && !connection->icsk_user_timeout &&
	       connection->icsk_retransmits + MB_RETRIES_LEFT <
		       BPF_CORE_READ(sk, __sk_common.skc_net.net, ipv4.sysctl_tcp_retries2);
}

SEC("cgroup_skb/ingress")
int mb_ingress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct mb_segment segment;
	struct tcp_sock *receiver;
	struct mb_socket *socket;
	__u64 now, *held;
	__u32 zero = 0;
	bool is_empty;

	if (!sk)
		return MB_PROCEED;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return MB_PROCEED;
	socket = bpf_sk_storage_get(&socket_peer, sk, NULL, 0);
	if (!socket || socket->leaving == MB_OUT)
		return MB_PROCEED;
	receiver = bpf_skc_to_tcp_sock(sk);
	if (!receiver)
		return MB_PROCEED;
	is_empty = mb_psock_is_empty(receiver);
	if (is_empty)
		socket->held_since = 0;
	if (!mb_read_segment(skb, &segment))
		return MB_PROCEED;
	if (sk->state == BPF_TCP_FIN_WAIT1 && mb_would_wake_reader(socket, receiver, &segment)) {
		mb_count(MB_COUNT_HELD_SEGMENTS, 1);
		return MB_DROP;
	}
	/* If several threads send, one of them may still be about to queue a message. A segment that only ends the
	 * stream is held back only if redirected bytes are unread. */
	if (is_empty && !(segment.is_marked && mb_may_be_in_flight(receiver, 1)))
		return MB_PROCEED;
	if (!segment.size && !(segment.fin && segment.seq != receiver->copied_seq))
		return MB_PROCEED;
	now = bpf_ktime_get_ns();
	if (!socket->held_since)
		socket->held_since = now;
	if (segment.seq == receiver->rcv_nxt &&
	    now - socket->held_since > (mb_is_last(socket, &segment) ? MB_HOLD_LAST_NS : MB_HOLD_NS)) {
		socket->held_since = now;
		return MB_PROCEED;
	}
	held = bpf_map_lookup_elem(&last_held, &zero);
	if (held)
		*held = now;
	mb_count(MB_COUNT_HELD_SEGMENTS, 1);
	return MB_DROP;
}
