/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memory barrier. */
#ifndef MERBRIDGE_LIB_BARRIER_H
#define MERBRIDGE_LIB_BARRIER_H

#include <linux/types.h>

/* A full barrier between earlier writes and later reads. On x86-64 the sender of a message has one
 * already: it took a reference to the page with its bytes (sk_msg_alloc in net/core/skmsg.c). `word` must not be
 * shared.
 */
static __always_inline void mb_barrier(__u64 *word)
{
	__u64 before = __sync_fetch_and_add(word, 1);

	asm volatile("" ::"r"(before) : "memory");
}

#endif
