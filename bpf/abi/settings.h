/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space may change at any time. */
#ifndef MERBRIDGE_ABI_SETTINGS_H
#define MERBRIDGE_ABI_SETTINGS_H

#include "abi/acceleration.h"
#include "abi/events.h"

/* The one element of mesh_settings. User space raises `generation` after every change that a decision may depend on. */
struct mb_settings {
	/* Never MB_INHERIT, but in a new map. */
	enum mb_acceleration acceleration;
	__u32 generation;
	/* A struct sock of the process that holds the attachments, to be read with mb_read only; or MB_OWNER_PINS; or
	 * 0: nobody. */
	__u64 owner;
	__u64 owner_cookie;
	/* Of each kind so many a second at most; 0 = none. */
	__u32 events[__MB_EVENT_KINDS];
	/* MB_EVENT_MAP_PRESSURE at so many sockets in sock_pair_map, the lower number first; 0 = never. */
	__u32 socket_alarm[2];
	/* And again only after there were fewer than so many. */
	__u32 socket_rearm[2];
};

_Static_assert(sizeof(struct mb_settings) == 56, "mb_settings");

#endif
