/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tests whether the running kernel charges redirected bytes to the receiver, and whether FIONREAD counts them:
 * redirects every message to the socket with key 1. It also stores the address of the sender, whose state later shows
 * whether the process that owns it is alive. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "lib/kernel.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} probe_sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} probe_sender SEC(".maps");

SEC("sk_msg")
int mb_probe(struct sk_msg_md *msg)
{
	struct bpf_sock *sk = msg->sk;
	__u32 receiver = 1, zero = 0;
	__u64 *sender = bpf_map_lookup_elem(&probe_sender, &zero);

	if (sender && sk)
		*sender = (__u64)bpf_skc_to_tcp_sock(sk);

	bpf_msg_redirect_hash(msg, &probe_sockets, &receiver, BPF_F_INGRESS);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
