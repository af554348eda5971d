/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Asks the running kernel whether redirected bytes are charged to the receiver: moves every message to the socket under key 1. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} probe_sockets SEC(".maps");

SEC("sk_msg")
int mb_probe(struct sk_msg_md *msg)
{
	__u32 receiver = 1;

	bpf_msg_redirect_hash(msg, &probe_sockets, &receiver, BPF_F_INGRESS);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
