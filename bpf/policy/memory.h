/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Is there memory for a message at its receiver? The kernel charges redirected data like received data. But while TCP
 * drops a segment that has no room and receives it again later, a refused redirect fails the sender's system call with
 * ENOMEM, which ends the connection. So messages take the TCP stack while some memory is still left. */
#ifndef MERBRIDGE_POLICY_MEMORY_H
#define MERBRIDGE_POLICY_MEMORY_H

#include "lib/bpf.h"
#include "lib/read.h"
#include "maps/socket-storage.h"

/* In pages, for memory that other CPUs charge between this check and the redirect. */
#define MB_MEMORY_RESERVE 256
/* Maximum nesting of cgroups that is checked. */
#define MB_MEMCG_DEPTH 8
/* One of this many messages checks whether there is a limit now. */
#define MB_MEMCG_TURN 64

/* The limit of cgroup v1 for the memory of sockets alone, memory.kmem.tcp.limit_in_bytes. In cgroup v2 there is none:
 * socket memory is part of memory.max, and the kernel reclaims other memory before it refuses a charge of a sender. */
static __always_inline bool mb_memcg_has_room(struct mem_cgroup *memcg)
{
	struct page_counter *level = (void *)memcg + bpf_core_field_offset(struct mem_cgroup, tcpmem);

	for (int depth = 0; depth < MB_MEMCG_DEPTH && level; depth++) {
		__s64 used = BPF_CORE_READ(level, usage.counter);
		unsigned long max = BPF_CORE_READ(level, max);

		if (used < 0 || (__u64)used + MB_MEMORY_RESERVE > max)
			return false;
		level = BPF_CORE_READ(level, parent);
	}
	return true;
}

/* All TCP sockets of the machine hold more than net.ipv4.tcp_mem[1]; at [2] redirects would be refused. There is one
 * flag for all sockets, so that of the sender will do, whose pointers can be followed without a helper. */
static __always_inline bool mb_under_pressure(const bool plain, struct tcp_sock *sender)
{
	struct proto *proto = sender->inet_conn.icsk_inet.sk.__sk_common.skc_prot;

	return mb_read_u64(plain, proto->memory_pressure);
}

/* The limit of the receiver's cgroup. A socket has no cgroup before it is accepted. */
static __always_inline bool mb_is_within_memcg(const bool plain, struct mb_socket *socket, struct tcp_sock *receiver)
{
	struct mem_cgroup *memcg;
	__u64 at;

	if (!bpf_core_field_exists(struct mem_cgroup, tcpmem_active) || !bpf_core_field_exists(struct sock, sk_memcg))
		return true;
	/* This limit is rarely set. If there was none, only some messages check again. */
	if (socket->without_limit && ++socket->without_limit < MB_MEMCG_TURN)
		return true;
	/* The lowest bits of the pointer may be flags. */
	at = (__u64)receiver + bpf_core_field_offset(struct tcp_sock, inet_conn.icsk_inet.sk.sk_memcg);
	memcg = (void *)(mb_read_u64(plain, at) & ~7ull);
	if (!memcg)
		return true;
	socket->without_limit = !mb_read(plain, memcg, struct mem_cgroup, tcpmem_active);
	return socket->without_limit || mb_memcg_has_room(memcg);
}

static __always_inline bool mb_has_memory(const bool plain, struct mb_socket *socket, struct tcp_sock *sender,
					  struct tcp_sock *receiver)
{
	return !mb_under_pressure(plain, sender) && mb_is_within_memcg(plain, socket, receiver);
}

#endif
