/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counting. */
#ifndef MERBRIDGE_LIB_COUNT_H
#define MERBRIDGE_LIB_COUNT_H

#include "abi/counters.h"
#include "lib/bpf.h"
#include "maps/stats.h"

static __always_inline void mb_count(__u32 counter, __u64 n)
{
	__u64 *value = bpf_map_lookup_elem(&mesh_counters, &counter);

	if (value)
		*value += n;
}

#endif
