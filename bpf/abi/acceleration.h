/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Scope of acceleration. */
#ifndef MERBRIDGE_ABI_ACCELERATION_H
#define MERBRIDGE_ABI_ACCELERATION_H

/* Only a pod may have MB_INHERIT. Ordered: a wider scope has a larger number. */
enum mb_acceleration {
	MB_INHERIT = 0,
	MB_OFF = 1,
	MB_PROXIES = 2,
	MB_FULL = 3,
};

#endif
