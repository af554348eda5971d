/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* UAPI, helpers, and the return values of hooks. */
#ifndef MERBRIDGE_LIB_BPF_H
#define MERBRIDGE_LIB_BPF_H

#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Without libc there is no sys/socket.h for the BPF target; the values are ABI. */
#define AF_INET 2
#define AF_INET6 10

/* Verdicts of the cgroup hooks. MB_REFUSE fails the system call with EPERM. */
#define MB_PROCEED 1
#define MB_REFUSE 0

/* Verdict of cgroup_skb/ingress: the segment is dropped before TCP sees it. */
#define MB_DROP 0

#endif
