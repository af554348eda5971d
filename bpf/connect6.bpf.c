/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* cgroup/connect6: an IPv6 socket dials. Only ::ffff:a.b.c.d is ours: a dual-stack runtime's IPv4, which never reaches connect4. */
#include <linux/in6.h>
#include "redirect.h"
#include "report-dial.h"

SEC("cgroup/connect6")
int mb_connect6(struct bpf_sock_addr *ctx)
{
	struct mb_redirect to = {};

	if (ctx->protocol != IPPROTO_TCP || ctx->user_family != AF_INET6)
		return MB_PROCEED;
	if (ctx->user_ip6[0] || ctx->user_ip6[1] || ctx->user_ip6[2] != bpf_htonl(0xffff))
		return MB_PROCEED;
	mb_redirect(ctx, ctx->user_ip6[3], ctx->user_port, &to);
	if (to.source) {
		struct sockaddr_in6 source = { .sin6_family = AF_INET6 };

		source.sin6_addr.in6_u.u6_addr32[2] = bpf_htonl(0xffff);
		source.sin6_addr.in6_u.u6_addr32[3] = to.source;
		if (bpf_bind(ctx, (struct sockaddr *)&source, sizeof(source)))
			mb_forget(ctx, &to);
	}
	mb_count_dial(&to);
	mb_report_dial(ctx, &to);
	if (to.drop == MB_DROP_LOOP)
		return MB_REFUSE;
	if (!to.port)
		return MB_PROCEED;
	ctx->user_ip6[3] = to.ip;
	ctx->user_port = to.port;
	return MB_PROCEED;
}
