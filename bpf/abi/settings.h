/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Settings that user space may change at any time. */
#ifndef MERBRIDGE_ABI_SETTINGS_H
#define MERBRIDGE_ABI_SETTINGS_H

#include "abi/acceleration.h"
#include "abi/events.h"

/* The one element of mesh_settings. User space increments `generation` with every change that a decision may depend on.
 */
struct mb_settings {
	/* Never MB_INHERIT, except in a new map. */
	enum mb_acceleration acceleration;
	__u32 generation;
	/* Address of a struct sock of the process that holds the attachments, to be read with mb_read only; or
	 * MB_OWNER_PINS; or 0 = no owner. */
	__u64 owner;
	__u64 owner_cookie;
	/* Maximum number of events per second, for each kind; 0 = none. */
	__u32 events[__MB_EVENT_KINDS];
	/* Numbers of sockets in sock_pair_map at which MB_EVENT_MAP_PRESSURE is sent, in ascending order; 0 = never. */
	__u32 socket_alarm[2];
	/* It is sent again only after there were fewer sockets than this. */
	__u32 socket_rearm[2];
};

_Static_assert(sizeof(struct mb_settings) == 56, "mb_settings");

#endif
