// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the image runs and what that CPU has. A home is only assumed where it
 * shows itself (TCG's hypervisor leaf, Bochs's chipset); everything else is
 * judged strictly, unless the command line says host=kvm. The departures of the homes
 * from the manual are in departures.c.
 */
#include "l1.h"

u32 home;
const char *home_name = "strict";
u64 cpu_features;
u32 maxphys = 40;
char cmdline[512];

extern u32 mb_magic, mb_info;

const char *arg_value(const char *key, char *buf, size_t size)
{
	size_t n = strlen(key), i;
	const char *p = cmdline;

	for (; *p; p++) {
		if ((p != cmdline && p[-1] != ' ') || strncmp(p, key, n) || p[n] != '=')
			continue;
		p += n + 1;
		for (i = 0; p[i] && p[i] != ' ' && i < size - 1; i++)
			buf[i] = p[i];
		buf[i] = 0;
		return buf;
	}
	return NULL;
}

static void read_cmdline(void)
{
	const u32 *mb = (void *)(u64)mb_info;
	const char *s;
	size_t i;

	if (mb_magic != 0x2badb002 || !(mb[0] & 4) || !mb[4])
		return;
	s = (void *)(u64)mb[4];
	for (i = 0; s[i] && i < sizeof(cmdline) - 1; i++)
		cmdline[i] = s[i] == '"' ? ' ' : s[i];
}

/* PCI configuration register 0 of device 0: the host bridge. */
static u32 host_bridge(void)
{
	u32 v;

	outl(0xcf8, 0x80000000);
	__asm__ volatile("inl %%dx,%%eax" : "=a"(v) : "d"(0xcfc));
	return v;
}

static void find_home(void)
{
	char buf[16];
	u32 r[4];

	cpuid(1, 0, r);
	if (r[2] & BIT(31)) {
		cpuid(0x40000000, 0, r);
		if (r[1] == 0x54474354)		/* "TCGT" */
			home = HOME_TCG;
	} else if (host_bridge() == 0x12378086) {
		/* An i440FX under a CPU without a hypervisor bit. */
		outw(0x510, 0);
		if (inb(0x511) != 'Q')
			home = HOME_BOCHS;
	}
	if (arg_value("host", buf, sizeof(buf)))
		home = !strcmp(buf, "kvm") ? HOME_KVM : !strcmp(buf, "tcg") ? HOME_TCG :
		       !strcmp(buf, "bochs") ? HOME_BOCHS : 0;
	home_name = home == HOME_TCG ? "tcg" : home == HOME_BOCHS ? "bochs" :
		    home == HOME_KVM ? "kvm" : "strict";
	if (home == HOME_TCG)
		home |= HOME_ON_TCG;
	if (home == HOME_BOCHS)
		home |= HOME_ON_BOCHS;
	if (arg_value("cpu", buf, sizeof(buf)))
		home |= !strcmp(buf, "tcg") ? HOME_ON_TCG : !strcmp(buf, "bochs") ?
			HOME_ON_BOCHS : 0;
	if (home & HOME_ON_BOCHS && !(home & HOME_BOCHS))
		home |= HOME_UNDER_BOCHS;
}

u32 random(void)
{
	static u32 state;
	const char *p;
	char buf[12];

	if (!state && arg_value("seed", buf, sizeof(buf)))
		for (p = buf; *p >= '0' && *p <= '9'; p++)
			state = state * 10 + *p - '0';
	state = state * 1103515245 + 12345;
	return state >> 16;
}

/* What both vendors have; F_ bits below 32 are the vendor's. */
static void find_features(void)
{
	u32 r[4];

	cpuid(0x80000000, 0, r);
	if (r[0] >= 0x80000008) {
		cpuid(0x80000008, 0, r);
		maxphys = r[0] & 0xff;
	}
	cpuid(0x80000001, 0, r);
	if (r[3] & BIT(27))
		cpu_features |= F_RDTSCP;
	if (r[3] & BIT(26))
		cpu_features |= F_1G;
	if (r[3] & BIT(20))
		cpu_features |= F_NX;
	cpuid(1, 0, r);
	if (r[2] & BIT(3))
		cpu_features |= F_MONITOR;
	if (r[2] & BIT(26))
		cpu_features |= F_XSAVE;
}

void host_init(void)
{
	read_cmdline();
	find_home();
	find_features();
}
