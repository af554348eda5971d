/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Settings that user space writes: before loading, and at any time. */
#ifndef MERBRIDGE_MAPS_SETTINGS_H
#define MERBRIDGE_MAPS_SETTINGS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "abi/profile.h"
#include "abi/settings.h"

/* The mesh profile, in .rodata, written between open and load. */
extern const volatile struct mb_profile profile;

/* Written by user space. Read for every decision, also by sockets that outlive the attachment. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mb_settings);
} mesh_settings SEC(".maps");

static __always_inline const struct mb_settings *mb_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&mesh_settings, &zero);
}

#endif
