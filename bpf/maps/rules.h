/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps of rule sets (abi/rules.h). */
#ifndef MERBRIDGE_MAPS_RULES_H
#define MERBRIDGE_MAPS_RULES_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi/rules.h"

/* Number of a rule set -> its flags. User space writes it before a pod refers to the set. It deletes it when no pod
 * does, and no program that has read the number can still be running. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct mb_rules);
} pod_rules SEC(".maps");

/* The ports in the lists of a rule set. Written and deleted together with it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct mb_rule_port);
	__type(value, __u8);
} pod_rule_ports SEC(".maps");

/* The address ranges in the lists of a rule set. Written and deleted together with it. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct mb_rule_range);
	__type(value, __u8);
} pod_rule_ranges SEC(".maps");

/* No program reads this. An update of an array of maps waits for an RCU grace period, until each program that was
 * running has ended (maybe_wait_bpf_programs in kernel/bpf/syscall.c). After that, user space can delete a rule set
 * that a program may have been reading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_ARRAY);
			__uint(max_entries, 1);
			__type(key, __u32);
			__type(value, __u64);
		});
} grace_period SEC(".maps");

#endif
