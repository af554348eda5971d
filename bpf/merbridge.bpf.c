/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* All hooks in one object, so that they share their maps without a linker; each hook has a file in hooks/. */
#include "abi/constants.h"
#include "abi/counters.h"
#include "abi/profile.h"
#include "abi/rules.h"
#include "hooks/connect.bpf.c"
#include "hooks/getpeername.bpf.c"
#include "hooks/getsockopt.bpf.c"
#include "hooks/sockops.bpf.c"
#include "hooks/sk_msg.bpf.c"
#include "hooks/ingress.bpf.c"

const volatile struct mb_profile profile = {};

/* Enums that are not the type of any member. The compiler puts a type into the BTF only if a variable needs it, and
 * src/mesh/abi/ is generated from the BTF. No program reads this. */
const struct {
	enum mb_counter counter;
	enum mb_rule_list rule_list;
	enum mb_rules_flag rules_flag;
	enum mb_constant constant;
} abi = {};

char LICENSE[] SEC("license") = "Dual BSD/GPL";
