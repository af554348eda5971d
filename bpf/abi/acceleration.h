/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How far acceleration goes. */
#ifndef MERBRIDGE_ABI_ACCELERATION_H
#define MERBRIDGE_ABI_ACCELERATION_H

/* A pod may say "inherit", the accelerator may not. Ordered: who accelerates more has a larger number. */
enum mb_acceleration {
	MB_INHERIT = 0,
	MB_OFF = 1,
	MB_PROXIES = 2,
	MB_FULL = 3,
};

#endif
