/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counters. */
#ifndef MERBRIDGE_MAPS_STATS_H
#define MERBRIDGE_MAPS_STATS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi/counters.h"
#include "abi/socket-count.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, __MB_COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} mesh_counters SEC(".maps");
/* Written by sockops; read by user space, too. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mb_socket_count);
} socket_count SEC(".maps");

/* When the last segment was held back (bpf_ktime_get_ns, CLOCK_MONOTONIC). Written by the ingress program, read by user
 * space before it detaches that program. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} last_held SEC(".maps");

#endif
