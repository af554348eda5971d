/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reading kernel memory that the verifier does not vouch for: a bad address gives zeroes, never a fault. */
#ifndef MERBRIDGE_LIB_READ_H
#define MERBRIDGE_LIB_READ_H

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "lib/kernel.h"

/* Since Linux 6.2 (kernel/bpf/helpers.c): a plain load with an entry in the exception table, where
 * bpf_probe_read_kernel is a call of some 20 ns. Kernels before 5.17 refuse a program that names it, also where it is
 * never reached: so a program that uses it has a twin. */
extern void *bpf_rdonly_cast(const void *address, __u32 btf_id) __ksym __weak;

/* mb_read(plain, address, struct sock, sk_user_data): a member of the structure at an address, which may be a number or
 * a pointer. `plain` is a constant: by a plain load, or by a call. */
#define mb_read(plain, address, type, member)                                                                          \
	({                                                                                                             \
		typeof(((type *)0)->member) value_ = 0;                                                                \
		if (plain)                                                                                             \
			value_ = ((type *)bpf_rdonly_cast((void *)(address), bpf_core_type_id_kernel(type)))->member;  \
		else                                                                                                   \
			bpf_core_read((void *)&value_, sizeof(value_), &((type *)(address))->member);                  \
		value_;                                                                                                \
	})

/* Eight bytes as a number: what is no member, and pointers whose lowest bits are flags. A plain load needs a type, so
 * any will do that begins with a number of that size. */
#define mb_read_u64(plain, address) ((__u64)mb_read(plain, address, struct timespec64, tv_sec))

#endif
