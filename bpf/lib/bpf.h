/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every program includes: UAPI, helpers, the shared layouts, the maps. */
#ifndef MERBRIDGE_COMMON_H
#define MERBRIDGE_COMMON_H

#include <stdbool.h>
#include "lib/read.h"
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include "abi/abi.h"
#include "maps/maps.h"

/* Without libc there is no sys/socket.h for the BPF target; the values are ABI. */
#define AF_INET 2
#define AF_INET6 10

/* Verdicts of the cgroup hooks. MB_REFUSE fails the system call with EPERM. */
#define MB_PROCEED 1
#define MB_REFUSE 0

/* Verdict of cgroup_skb/ingress: the segment is dropped before TCP sees it. */
#define MB_DROP 0

/* The mesh profile, written by user space between open and load. */
extern const volatile struct mb_profile profile;

/* A full barrier between what was written before and what is read behind. On x86-64 the sender of a message has one
 * already: it took a reference to the page with its bytes (sk_msg_alloc in net/core/skmsg.c). `word` is nobody else's.
 */
static __always_inline void mb_barrier(__u64 *word)
{
	__u64 before = __sync_fetch_and_add(word, 1);

	asm volatile("" ::"r"(before) : "memory");
}

static __always_inline void mb_count(__u32 counter, __u64 n)
{
	__u64 *value = bpf_map_lookup_elem(&mesh_counters, &counter);

	if (value)
		*value += n;
}

static __always_inline const struct mb_settings *mb_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&mesh_settings, &zero);
}

#endif
