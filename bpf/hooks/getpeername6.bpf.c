/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup/getpeername6: an IPv6 socket asks whom it is connected to. */
#include "hooks/getpeername.h"

SEC("cgroup/getpeername6")
int mb_getpeername6(struct bpf_sock_addr *ctx)
{
	return mb_getpeername(ctx, true);
}
