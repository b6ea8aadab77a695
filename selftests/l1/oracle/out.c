// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the oracle writes.  A character on a serial line costs a guest two exits to its VMM,
 * so with log=ram the text goes into memory at a place where the VMM's user finds it in
 * the file behind that memory.  On Bochs the line has the speed of a line, and with log=e9 the text
 * goes to the port that Bochs prints at once.  Else it goes to the serial line.
 */
#include "oracle/oracle.h"

/* From 128 MiB on; run-oracle.sh knows the place and the form of the head. */
#define LOG_AT		0x8000000ull
#define LOG_SIZE	0x7000000ull

/*
 * Text, for tools that know nothing else: bytes written, the case at which the image is, which outlives
 * the machine, and whether it came to its end.
 */
struct orc_head {
	char magic[7], used[10], blank1, current[10], blank2, ended, newline;
};

#define BOCHS_PORT	0xe9

static struct orc_head *head;
static bool e9;
static char *log;
static u64 used;

static void digits(char *p, u64 v)
{
	u32 i;

	for (i = 10; i--; v /= 10)
		p[i] = '0' + v % 10;
}

void orc_out_init(void)
{
	char buf[8];

	if (!arg_value("log", buf, sizeof(buf)))
		return;
	e9 = !strcmp(buf, "e9");
	if (e9)
		orc_puts("# oracle\n");
	if (strcmp(buf, "ram"))
		return;
	if (mem_top < LOG_AT + LOG_SIZE - PAGE_SIZE)
		panic("log=ram wants 256 MiB of memory");
	head = (void *)LOG_AT;
	log = (char *)LOG_AT + PAGE_SIZE;
	memcpy(head, "oracle 0000000000 0000000000 0\n", sizeof(*head));
}

void orc_out_case(u32 nr)
{
	if (!head) {
		orc_say("P %u\n", nr);
		return;
	}
	digits(head->used, used);
	digits(head->current, nr);
}

bool orc_out_mark(u64 *mark)
{
	*mark = used;
	return head;
}

void orc_out_rewind(u64 mark)
{
	used = mark;
}

void orc_out_end(void)
{
	if (!head)
		return;
	digits(head->used, used);
	head->ended = '1';
}

void orc_puts(const char *s)
{
	size_t n = strlen(s);

	if (e9) {
		__asm__ volatile("rep outsb" : "+S"(s), "+c"(n) : "d"(BOCHS_PORT) : "memory");
		return;
	}
	if (!head) {
		console_puts(s);
		return;
	}
	if (used + n > LOG_SIZE - 0x200000)
		panic("the oracle's log is full");
	memcpy(log + used, s, n);
	used += n;
}

void orc_say(const char *f, ...)
{
	char buf[300];
	va_list ap;

	va_start(ap, f);
	vfmt(buf, sizeof(buf), f, ap);
	va_end(ap);
	orc_puts(buf);
}

u32 orc_weighted(struct orc_case *k, const u8 *weight, size_t stride, u32 nr)
{
	u32 sum = 0, at, i;

	for (i = 0; i < nr; i++)
		sum += weight[i * stride];
	at = orc_below(k, sum);
	for (i = 0; at >= weight[i * stride]; i++)
		at -= weight[i * stride];
	return i;
}

bool orc_move(struct orc_case *k, const char *f, ...)
{
	bool apply = !(k->drop >> k->moves & 1);
	char buf[200];
	va_list ap;

	if (k->verbose) {
		va_start(ap, f);
		vfmt(buf, sizeof(buf), f, ap);
		va_end(ap);
		orc_say("M %u%s %s\n", k->moves, apply ? "" : "-", buf);
	}
	/* More than the mask holds can only be applied. */
	if (k->moves < 31)
		k->moves++;
	return apply;
}

void orc_rec(struct orc_case *k, const char *name, u64 v, u64 before)
{
	orc_fold(k, v);
	if (k->verbose && v != before)
		orc_say(" %s=%llx", name, v);
}
