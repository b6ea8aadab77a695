// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading: find a backend, say in one line what is missing and
 * what to do about it, turn the extension on for every CPU and keep it right
 * over hotplug, suspend and reboot.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/reboot.h>

#include "core/compat.h"
#include "core/fpu.h"
#include "core/hw_ops.h"
#include "core/nested_ops.h"
#include "core/stats.h"
#include "core/without.h"
#include "ioctl/ioctl.h"

bool nestor_nested = true;
module_param_named(nested, nestor_nested, bool, 0444);
MODULE_PARM_DESC(nested, "show hardware virtualisation to VMs: 1 (default) or 0");

static bool kvm_alias;
module_param(kvm_alias, bool, 0444);
MODULE_PARM_DESC(kvm_alias, "also register /dev/kvm, for VMMs that open it by name: 0 (default) or 1");

const struct hw_ops *hw;
struct hw_caps hw_caps;
const struct nested_ops *nested;

static enum cpuhp_state cpuhp_state;
static int cpu_on_error;

/* Backends in the order in which they are tried, each with the frontend that L1 gets on it. */
static const struct {
	const struct hw_ops *hw;
	const struct nested_ops *nested;
} backends[] = {
	{ &svm_hw_ops, &nsvm_ops },
	{ &vmx_hw_ops, &nvmx_ops },
};

static bool module_loaded(const char *name)
{
	struct path path;

	if (kern_path(name, LOOKUP_FOLLOW, &path))
		return false;
	path_put(&path);
	return true;
}

/*
 * A loaded KVM may have the extension off until its first VM, and would then
 * meet ours; so being loaded is enough to refuse.
 */
static int check_other_hypervisor(struct hw_problem *why)
{
	if (module_loaded("/sys/module/kvm_amd")) {
		why->cause = "a hypervisor is already running: kvm_amd is loaded";
		why->remedy = "stop its VMs and run: rmmod kvm_amd";
		return -EBUSY;
	}
	if (module_loaded("/sys/module/kvm_intel")) {
		why->cause = "a hypervisor is already running: kvm_intel is loaded";
		why->remedy = "stop its VMs and run: rmmod kvm_intel";
		return -EBUSY;
	}
	return 0;
}

static int find_backend(struct hw_problem *why)
{
	int r = -ENODEV;
	size_t i;

	/* Whoever knows the CPU's maker says it better. */
	why->cause = "this CPU has neither AMD-V nor VT-x";
	why->remedy = "use a machine that has one of them; inside a VM, turn nested virtualisation on for it";
	for (i = 0; i < ARRAY_SIZE(backends); i++) {
		r = backends[i].hw->probe(&hw_caps, why);
		/* "Not this vendor" lets the next one try; any other answer is final. */
		if (r != -ENODEV) {
			hw = backends[i].hw;
			nested = nestor_nested ? backends[i].nested : &no_nested_ops;
			break;
		}
	}
	if (!r)
		r = check_other_hypervisor(why);
	return r ? r : caps_without(why);
}

static void cpu_on(void *unused)
{
	int r = hw->cpu_on();

	if (r)
		WRITE_ONCE(cpu_on_error, r);
}

static void cpu_off(void *unused)
{
	hw->cpu_off();
}

static int nestor_cpu_online(unsigned int cpu)
{
	unsigned long flags;
	int r;

	local_irq_save(flags);
	r = hw->cpu_on();
	local_irq_restore(flags);
	if (r)
		pr_err("CPU %u: cannot enable %s: %s\n", cpu, hw->name,
		       r == -EACCES ? "the firmware disabled it on this CPU" :
				      "a hypervisor is already running there");
	return r;
}

static int nestor_cpu_offline(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	hw->cpu_off();
	local_irq_restore(flags);
	return 0;
}

/* Only the boot CPU is left by then; the others went through hotplug. */
static int nestor_suspend(void)
{
	hw->cpu_off();
	return 0;
}

static void nestor_resume(void)
{
	cpu_on(NULL);
}

/* The kernel crashed: interrupts are off and nobody is to be waited for. */
static void nestor_emergency(void)
{
	hw->cpu_off();
}

COMPAT_SYSCORE(nestor_syscore, nestor_suspend, nestor_resume);

/* A machine that reboots or kexecs with the extension on may hang in INIT. */
static int nestor_reboot(struct notifier_block *nb, unsigned long event, void *data)
{
	on_each_cpu(cpu_off, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block nestor_reboot_nb = { .notifier_call = nestor_reboot };

static int enable_cpus(struct hw_problem *why)
{
	int r = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "nestor:online", nestor_cpu_online,
				  nestor_cpu_offline);

	if (r < 0) {
		why->cause = r == -EACCES ?
			     "the firmware disabled the virtualisation extension on one of the CPUs" :
			     "a hypervisor is already running on one of the CPUs";
		why->remedy = r == -EACCES ?
			      "see the message above; enable it in the firmware setup and power-cycle" :
			      "see the message above; unload the other hypervisor first";
		return r;
	}
	cpuhp_state = r;
	return 0;
}

static int start(struct hw_problem *why)
{
	int r = find_backend(why);

	if (r)
		return r;
	why->cause = "out of memory";
	why->remedy = "free some memory and load the module again";
	r = fpu_setup();
	if (r)
		return r;
	r = hw->setup();
	if (r)
		return r;
	r = enable_cpus(why);
	if (r)
		goto teardown;
	compat_register_syscore(&nestor_syscore);
	register_reboot_notifier(&nestor_reboot_nb);
	compat_emergency_register(nestor_emergency);
	stats_register();
	why->cause = "its device could not be registered";
	why->remedy = kvm_alias ? "/dev/kvm may exist already: unload kvm, or load without kvm_alias=1" :
				  "see the message above";
	r = ioctl_register(kvm_alias);
	if (!r)
		return 0;
	stats_unregister();
	compat_emergency_unregister(nestor_emergency);
	unregister_reboot_notifier(&nestor_reboot_nb);
	compat_unregister_syscore(&nestor_syscore);
	cpuhp_remove_state(cpuhp_state);
teardown:
	hw->teardown();
	return r;
}

static int __init nestor_init(void)
{
	struct hw_problem why = { .cause = "unknown", .remedy = "none known" };
	int r = start(&why);

	if (r) {
		pr_err("not loaded (error %d): %s; remedy: %s\n", r, why.cause, why.remedy);
		return r;
	}
	pr_info("ready on %s: nested virtualisation %s, /dev/nestor%s\n", hw->name,
		nestor_nested ? "on" : "off", kvm_alias ? " and /dev/kvm" : "");
	return 0;
}

static void __exit nestor_exit(void)
{
	ioctl_unregister();
	stats_unregister();
	compat_emergency_unregister(nestor_emergency);
	unregister_reboot_notifier(&nestor_reboot_nb);
	compat_unregister_syscore(&nestor_syscore);
	cpuhp_remove_state(cpuhp_state);
	hw->teardown();
	pr_info("unloaded\n");
}

void hw_fetch(struct guest_run *run, u32 groups)
{
	hw->fetch(run, groups);
}

module_init(nestor_init);
module_exit(nestor_exit);
MODULE_DESCRIPTION("Nested virtualisation for guest hypervisors");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
