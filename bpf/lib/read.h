/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads kernel memory that the verifier does not trust. A bad address gives zeroes, never a fault. */
#ifndef MERBRIDGE_LIB_READ_H
#define MERBRIDGE_LIB_READ_H

#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "lib/kernel.h"

/* Since Linux 6.2 (kernel/bpf/helpers.c): a plain load with an entry in the exception table. bpf_probe_read_kernel is a
 * call of some 20 ns instead. Kernels before 5.17 reject a program that refers to this function, even in unreachable
 * code. So a program that uses it has a second variant. */
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

/* Reads eight bytes as a number: data that is not a member, and pointers whose lowest bits are flags. A plain load
 * needs a type. Any type that begins with a number of that size will do. */
#define mb_read_u64(plain, address) ((__u64)mb_read(plain, address, struct timespec64, tv_sec))

#endif
