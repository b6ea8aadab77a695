// SPDX-License-Identifier: GPL-2.0-only
/*
 * Totals for people and tests.  Each vCPU counts for itself without locks; a
 * reader adds up the live ones and what ended ones left behind.
 */
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>

#include "core/stats.h"
#include "core/vcpu.h"

struct dentry *nestor_debugfs;

static DEFINE_MUTEX(stats_lock);	/* the list and the retired sums */
static LIST_HEAD(live);
static struct vcpu_stats retired;

struct stat_file {
	const char *name;
	size_t offset;
};

#define STAT(n) { #n, offsetof(struct vcpu_stats, n) }

static const struct stat_file files[] = {
	STAT(exits), STAT(world_switches),
	STAT(nested_entries), STAT(nested_exits), STAT(nested_failed),
	STAT(halts), STAT(irqs), STAT(nmis),
	STAT(mmio_user), STAT(mmio_kernel), STAT(pio_user), STAT(pio_kernel),
	STAT(second_level_faults), STAT(shadow_faults), STAT(tlb_flushes), STAT(emulated),
	STAT(predictor_barriers),
};

const unsigned int nr_vcpu_stats = ARRAY_SIZE(files);

const char *vcpu_stat_name(unsigned int i)
{
	return files[i].name;
}

u64 vcpu_stat_value(const struct vcpu_stats *stats, unsigned int i)
{
	return READ_ONCE(*(const u64 *)((const char *)stats + files[i].offset));
}

static u64 *field(struct vcpu_stats *s, const struct stat_file *f)
{
	return (u64 *)((char *)s + f->offset);
}

static int stat_show(struct seq_file *m, void *unused)
{
	const struct stat_file *f = m->private;
	struct vcpu_stats *s;
	u64 sum;

	mutex_lock(&stats_lock);
	sum = *field(&retired, f);
	list_for_each_entry(s, &live, list)
		sum += READ_ONCE(*field(s, f));
	mutex_unlock(&stats_lock);
	seq_printf(m, "%llu\n", sum);
	return 0;
}

static int stat_open(struct inode *inode, struct file *file)
{
	return single_open(file, stat_show, inode->i_private);
}

static const struct file_operations stat_fops = {
	.owner = THIS_MODULE,
	.open = stat_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = single_release,
};

void stats_add_live(struct vcpu_stats *stats)
{
	mutex_lock(&stats_lock);
	list_add(&stats->list, &live);
	mutex_unlock(&stats_lock);
}

void stats_retire(struct vcpu_stats *stats)
{
	size_t i;

	mutex_lock(&stats_lock);
	list_del(&stats->list);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		*field(&retired, &files[i]) += *field(stats, &files[i]);
	mutex_unlock(&stats_lock);
}

void stats_register(void)
{
	size_t i;

	nestor_debugfs = debugfs_create_dir("nestor", NULL);
	for (i = 0; i < ARRAY_SIZE(files); i++)
		debugfs_create_file(files[i].name, 0444, nestor_debugfs, (void *)&files[i],
				    &stat_fops);
}

void stats_unregister(void)
{
	debugfs_remove_recursive(nestor_debugfs);
}
