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

/* The numbers of a vCPU in a fixed order, for KVM_GET_STATS_FD; @i is below nr_vcpu_stats */
extern const unsigned int nr_vcpu_stats;
const char *vcpu_stat_name(unsigned int i);
u64 vcpu_stat_value(const struct vcpu_stats *stats, unsigned int i);

#endif
