/* SPDX-License-Identifier: GPL-2.0-only */
/* Totals over all VMs since the module was loaded: /sys/kernel/debug/nestor/ */
#ifndef NESTOR_CORE_STATS_H
#define NESTOR_CORE_STATS_H

#include <linux/dcache.h>

struct vcpu_stats;

extern struct dentry *nestor_debugfs;

void stats_register(void);
void stats_unregister(void);
/* stats_add_live() - a vCPU's numbers count from now on; stats_retire() - it ends, they stay in the totals */
void stats_add_live(struct vcpu_stats *stats);
void stats_retire(struct vcpu_stats *stats);

#endif
