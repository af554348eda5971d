/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Pods, and the processes of their sidecars. */
#ifndef MERBRIDGE_ABI_POD_H
#define MERBRIDGE_ABI_POD_H

#include "abi/acceleration.h"
#include "abi/address.h"

/* Value of local_pod_ips. */
struct mb_pod {
	enum mb_acceleration acceleration;
	/* Key in pod_rules; 0 = the profile's own rules. */
	__u32 rules;
	/* Id of the pod's cgroup. The pod consists of the processes in it. 0 = not known: any network namespace that
	 * has the address is the pod. */
	__u64 cgroup;
};

/* Value of process_ip. It is valid only in that network namespace, so a process elsewhere that reuses the process id
 * never inherits it. */
struct mb_process {
	struct mb_address pod;
	__u64 netns;
};

_Static_assert(sizeof(struct mb_pod) == 16, "mb_pod");
_Static_assert(sizeof(struct mb_process) == 24, "mb_process");

#endif
