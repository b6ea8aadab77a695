// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that does one thing wrong when it is loaded, to see whether the kernel with sanitizers
 * says so and the test that reads its log listens.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

static char *what = "";
module_param(what, charp, 0);
MODULE_PARM_DESC(what, "the name of a fault");

/* The compiler may not know any of these. */
static volatile int one = 1, many = 100;
static volatile u8 sink;

static int heap(void)
{
	u8 *p = kmalloc(40, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	sink = p[40 * one];
	kfree(p);
	return 0;
}

static int freed(void)
{
	u8 *p = kmalloc(40, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	kfree(p);
	sink = *(volatile u8 *)p;
	return 0;
}

static int stack(void)
{
	u8 here[16] = { };
	volatile u8 *p = here;

	sink = p[16 * one];
	return 0;
}

static int vmemory(void)
{
	u8 *p = vmalloc(100);

	if (!p)
		return -ENOMEM;
	sink = ((volatile u8 *)p)[many + 8];
	vfree(p);
	return 0;
}

static int shift(void)
{
	sink = 1 << many;
	return 0;
}

static int bounds(void)
{
	static u8 table[8];

	sink = table[many];
	return 0;
}

static int lost(void)
{
	int i;

	/* A pointer or two to them may stay in registers and on stacks. */
	for (i = 0; i < 16; i++)
		sink = (uintptr_t)kzalloc(1000, GFP_KERNEL);
	return 0;
}

static int sleep(void)
{
	static DEFINE_SPINLOCK(lock);

	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
	return 0;
}

static int rcu(void)
{
	static int __rcu *p;

	sink = !!rcu_dereference(p);
	return 0;
}

static void on_time(struct timer_list *t)
{
	sink = !!t;
}

static int timer_freed(void)
{
	struct timer_list *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	timer_setup(t, on_time, 0);
	mod_timer(t, jiffies + HZ * 1000);
	kfree(t);
	return 0;
}

static int warn(void)
{
	WARN_ON(one);
	return 0;
}

static int list(void)
{
	static LIST_HEAD(head);
	static struct list_head entry;

	list_add(&entry, &head);
	list_add(&entry, &head);
	return 0;
}

static int order(void)
{
	static DEFINE_MUTEX(a);
	static DEFINE_MUTEX(b);

	mutex_lock(&a);
	mutex_lock(&b);
	mutex_unlock(&b);
	mutex_unlock(&a);
	mutex_lock(&b);
	mutex_lock(&a);
	mutex_unlock(&a);
	mutex_unlock(&b);
	return 0;
}

static unsigned long shared;

static int racer(void *unused)
{
	while (!kthread_should_stop()) {
		shared++;
		barrier();
		cond_resched();
	}
	return 0;
}

static int race(void)
{
	struct task_struct *t[2];
	int i;

	for (i = 0; i < 2; i++) {
		t[i] = kthread_run(racer, NULL, "racer");
		if (IS_ERR(t[i]))
			return PTR_ERR(t[i]);
	}
	msleep(3000);
	kthread_stop(t[0]);
	kthread_stop(t[1]);
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(void);
} faults[] = {
	{ "heap", heap }, { "freed", freed }, { "stack", stack }, { "vmalloc", vmemory },
	{ "shift", shift }, { "bounds", bounds }, { "lost", lost }, { "sleep", sleep },
	{ "rcu", rcu }, { "timer", timer_freed }, { "warn", warn }, { "list", list },
	{ "order", order }, { "race", race },
};

static int __init faulty_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(faults); i++)
		if (!strcmp(what, faults[i].name))
			return faults[i].fn();
	return *what ? -EINVAL : 0;
}

static void __exit faulty_exit(void)
{
}

module_init(faulty_init);
module_exit(faulty_exit);
MODULE_DESCRIPTION("One fault, for the tests of nestor");
MODULE_LICENSE("GPL");
