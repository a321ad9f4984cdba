/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Units of bpf_ktime_get_ns(). */
#ifndef WEIR_CLOCK_H
#define WEIR_CLOCK_H

#define NSEC_PER_SEC  1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

#endif
