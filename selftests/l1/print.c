// SPDX-License-Identifier: GPL-2.0-only
/* Console on COM1, formatted output, memory functions, and the ways out. */
#include "l1.h"

#define COM1 0x3f8

static struct spinlock console_lock;

void console_init(void)
{
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 0x80);
	outb(COM1 + 0, 1);
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 3);
	outb(COM1 + 2, 7);
	outb(COM1 + 4, 3);
}

static void put(char c)
{
	u32 spins = 0;

	/* Give up on a port that never becomes ready: the tests go on. */
	while (!(inb(COM1 + 5) & 0x20) && spins++ < 1000000)
		cpu_relax();
	outb(COM1, c);
}

void console_puts(const char *s)
{
	for (; *s; s++) {
		if (*s == '\n')
			put('\r');
		put(*s);
	}
}

static char *num(char *p, char *end, u64 v, u32 base, int width, char pad, bool neg)
{
	char tmp[24];
	int n = 0;

	do {
		tmp[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (neg)
		tmp[n++] = '-';
	for (; width > n && p < end; width--)
		*p++ = pad;
	while (n && p < end)
		*p++ = tmp[--n];
	return p;
}

int vfmt(char *buf, size_t size, const char *f, va_list ap)
{
	char *p = buf, *end = buf + size - 1;

	for (; *f && p < end; f++) {
		int width = 0, longs = 0;
		char pad = ' ';
		const char *s;
		u64 v;

		if (*f != '%') {
			*p++ = *f;
			continue;
		}
		f++;
		if (*f == '0')
			pad = *f++;
		while (*f >= '0' && *f <= '9')
			width = width * 10 + *f++ - '0';
		while (*f == 'l') {
			longs++;
			f++;
		}
		switch (*f) {
		case 's':
			s = va_arg(ap, const char *);
			for (; *s && p < end; s++)
				*p++ = *s;
			break;
		case 'c':
			*p++ = va_arg(ap, int);
			break;
		case 'd':
			v = longs ? va_arg(ap, u64) : (u64)(long long)va_arg(ap, int);
			if ((long long)v < 0)
				p = num(p, end, -v, 10, width, pad, true);
			else
				p = num(p, end, v, 10, width, pad, false);
			break;
		case 'u':
		case 'x':
			v = longs ? va_arg(ap, u64) : va_arg(ap, u32);
			p = num(p, end, v, *f == 'u' ? 10 : 16, width, pad, false);
			break;
		case 'p':
			p = num(p, end, va_arg(ap, u64), 16, width, pad, false);
			break;
		default:
			*p++ = *f;
		}
	}
	*p = 0;
	return p - buf;
}

int fmt(char *buf, size_t size, const char *f, ...)
{
	va_list ap;
	int n;

	va_start(ap, f);
	n = vfmt(buf, size, f, ap);
	va_end(ap);
	return n;
}

void say(const char *f, ...)
{
	char buf[400];
	va_list ap;

	va_start(ap, f);
	vfmt(buf, sizeof(buf), f, ap);
	va_end(ap);
	spin_lock(&console_lock);
	console_puts(buf);
	spin_unlock(&console_lock);
}

/*
 * Only an emulator's ports are written: on a real board nobody knows what
 * answers there, and halting is enough.
 */
void power_off(int failed)
{
	bool qemu, bochs = home & HOME_BOCHS;
	char buf[16];

	irq_off();
	outw(0x510, 0);
	qemu = inb(0x511) == 'Q' && inb(0x511) == 'E';
	if (arg_value("exit", buf, sizeof(buf))) {
		qemu = bochs = false;
		/* The benchmarks' VMM, which has said that it is there. */
		if (!strcmp(buf, "vmm"))
			outl(QUIT_PORT, failed);
	}
	if (qemu) {
		outl(0xf4, failed ? 0x11 : 0x10);
		outw(0x604, 0x2000);
	}
	if (qemu || bochs)
		outw(0xb004, 0x2000);
	for (;;)
		__asm__ volatile("cli; hlt");
}

void panic(const char *f, ...)
{
	char buf[400];
	va_list ap;

	va_start(ap, f);
	vfmt(buf, sizeof(buf), f, ap);
	va_end(ap);
	console_puts("Bail out! ");
	console_puts(buf);
	console_puts("\n");
	power_off(1);
}

void *memset(void *d, int c, size_t n)
{
	u64 words = n / 8, bytes = n % 8;
	u8 *p = d;

	__asm__ volatile("rep stosq" : "+D"(p), "+c"(words) : "a"((u8)c * 0x0101010101010101ull) : "memory");
	while (bytes--)
		*p++ = c;
	return d;
}

void *memcpy(void *d, const void *s, size_t n)
{
	u8 *p = d;
	const u8 *q = s;

	while (n--)
		*p++ = *q++;
	return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;

	for (; n--; p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n--; a++, b++)
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	return 0;
}

int strcmp(const char *a, const char *b) { return strncmp(a, b, ~(size_t)0); }
