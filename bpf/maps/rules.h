/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Maps of rule sets (abi/rules.h). */
#ifndef MERBRIDGE_MAPS_RULES_H
#define MERBRIDGE_MAPS_RULES_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi/rules.h"

/* Rule set -> what holds for all of it. Written by user space, before a pod names the set; taken out when none does,
 * and no program that has read its number can still be running. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct mb_rules);
} pod_rules SEC(".maps");

/* The ports that the lists of a rule set name. Written and taken out with it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 131072);
	__type(key, struct mb_rule_port);
	__type(value, __u8);
} pod_rule_ports SEC(".maps");

/* The address ranges that they name. Written and taken out with it. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 262144);
	__type(key, struct mb_rule_range);
	__type(value, __u8);
} pod_rule_ranges SEC(".maps");

/* Read by no program: whoever writes an array of maps waits until each program that was running has ended
 * (maybe_wait_bpf_programs in kernel/bpf/syscall.c). So user space can take out what a program may have been reading.
 */
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
