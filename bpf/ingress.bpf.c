/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup_skb/ingress: what took the stack must not be there before what waits in the psock was read.
 *
 * A read ends where the psock ends, also if more waits in the TCP receive queue. Many programs take such a short read for "nothing more
 * is there": with edge-triggered epoll they sleep until the next event (nginx, tokio), which has been already; together with EPOLLRDHUP they
 * take it for the end of the stream (HAProxy, libuv), and cut its tail. So a segment that comes while redirected bytes are unread is dropped,
 * as if the network had lost it, and TCP sends it again: then its arrival is an event of its own. This costs nothing on the accelerated path,
 * which has no segments, and one retransmission where a sender outruns its reader by backlog_limit. */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include "psock.h"

/* A sender whose segments are never acknowledged gives up after some minutes. A reader that has stalled for this long gets them all the
 * same: the connection lives, at the risk of one short read. */
#define MB_MAX_HOLD_NS (5ull * 1000 * 1000 * 1000)

/* Does this segment carry anything that a reader would see? The end of the stream alone counts only behind unread stack data. */
static __always_inline bool mb_is_visible(struct __sk_buff *skb, struct tcp_sock *receiver)
{
	struct tcphdr tcp;
	struct iphdr ip;
	__u32 header;

	/* IPv4 on the wire for both families of socket: only mapped addresses are accelerated. */
	if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, 0, &ip, sizeof(ip)))
		return false;
	if (bpf_skb_load_bytes(skb, ip.ihl * 4, &tcp, sizeof(tcp)))
		return false;
	header = ip.ihl * 4 + tcp.doff * 4;
	if (bpf_ntohs(ip.tot_len) > header || skb->len > header)
		return true;
	return tcp.fin && bpf_ntohl(tcp.seq) != receiver->copied_seq;
}

SEC("cgroup_skb/ingress")
int mb_ingress(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *receiver;
	struct mb_peer *peer;
	__u64 now, *held;
	__u32 zero = 0;

	if (!sk)
		return MB_PROCEED;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return MB_PROCEED;
	peer = bpf_sk_storage_get(&socket_peer, sk, NULL, 0);
	if (!peer)
		return MB_PROCEED;
	receiver = bpf_skc_to_tcp_sock(sk);
	if (!receiver || mb_psock_is_empty(receiver)) {
		peer->held_since = 0;
		return MB_PROCEED;
	}
	if (!mb_is_visible(skb, receiver))
		return MB_PROCEED;
	now = bpf_ktime_get_ns();
	if (!peer->held_since)
		peer->held_since = now;
	if (now - peer->held_since > MB_MAX_HOLD_NS)
		return MB_PROCEED;
	held = bpf_map_lookup_elem(&last_held, &zero);
	if (held)
		*held = now;
	mb_count(MB_COUNT_HELD, 1);
	return MB_DROP;
}
