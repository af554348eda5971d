/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Error numbers of asm-generic/errno-base.h: the same on every architecture that the objects serve. */
#ifndef MERBRIDGE_LIB_ERRNO_H
#define MERBRIDGE_LIB_ERRNO_H

#define ENOENT 2
#define E2BIG 7
#define EAGAIN 11

#endif
