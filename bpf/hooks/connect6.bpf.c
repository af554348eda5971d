/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup/connect6: an IPv6 socket dials. */
#include "hooks/connect.h"

SEC("cgroup/connect6")
int mb_connect6(struct bpf_sock_addr *ctx)
{
	return mb_connect(ctx, true);
}
