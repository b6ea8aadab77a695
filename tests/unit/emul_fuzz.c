// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer entry: arbitrary bytes, registers, segments and answers of the
 * surroundings. Beside memory safety it holds the emulator to its promises:
 * lengths of accesses, registers unchanged unless something completed, nothing
 * written before a refusal.
 */
#include "emul/emul.h"
#include "fuzz.h"

static struct x86_seg segs[X86_SEG_TR + 1];
static unsigned int writes, retired;
static volatile u8 sink;	/* makes the sanitizers see buffers read */

static enum x86_result answer(struct x86_emul *ctxt)
{
	u8 pick;

	get(&pick, 1);
	switch (pick & 15) {
	case 1:
		ctxt->fault = (struct x86_fault){ .vector = X86_VEC_PF, .has_error = true };
		return X86_EMUL_FAULT;
	case 2:
		return X86_EMUL_USER;
	default:
		return X86_EMUL_OK;
	}
}

static void check_length(u64 addr, unsigned int len, unsigned int access)
{
	demand(len > 0, "empty access");
	if (access & X86_ACC_BATCH)
		demand(len <= X86_EMUL_PIO_MAX && (addr & 0xfff) + len <= 0x1000, "batch size");
	else
		demand(len <= 32, "access size");
}

static enum x86_result f_read(struct x86_emul *ctxt, u64 addr, void *buf,
			      unsigned int len, unsigned int access)
{
	enum x86_result r = answer(ctxt);

	check_length(addr, len, access);
	if (access & X86_ACC_BATCH && r == X86_EMUL_USER)
		return X86_EMUL_UNHANDLED;
	get(buf, len);
	return r;
}

static enum x86_result f_write(struct x86_emul *ctxt, u64 addr, const void *buf,
			       unsigned int len, unsigned int access)
{
	unsigned int i;

	check_length(addr, len, access);
	demand(access & X86_ACC_WRITE, "write flag");
	for (i = 0; i < len; i++)
		sink += ((const u8 *)buf)[i];
	writes++;
	return answer(ctxt);
}

static enum x86_result f_cmpxchg(struct x86_emul *ctxt, u64 addr, const void *old,
				 const void *new, unsigned int len)
{
	(void)old;
	if (len == 3)
		return X86_EMUL_RESTART;
	return f_write(ctxt, addr, new, len, X86_ACC_WRITE);
}

static enum x86_result f_probe(struct x86_emul *ctxt, u64 addr, unsigned int len,
			       unsigned int access)
{
	enum x86_result r = answer(ctxt);

	check_length(addr, len, access);
	if (r == X86_EMUL_USER)
		return access & X86_ACC_BATCH ? X86_EMUL_UNHANDLED : X86_EMUL_OK;
	return r;
}

static void f_seg(struct x86_emul *ctxt, unsigned int seg, struct x86_seg *out)
{
	(void)ctxt;
	demand(seg <= X86_SEG_TR, "segment number");
	*out = segs[seg];
}

static enum x86_result f_pio_in(struct x86_emul *ctxt, u16 port, unsigned int size,
				void *buf, unsigned int count)
{
	(void)port;
	demand((size == 1 || size == 2 || size == 4) && count &&
	       size * count <= X86_EMUL_PIO_MAX, "port access");
	get(buf, size * count);
	writes++;
	return answer(ctxt) == X86_EMUL_USER ? X86_EMUL_USER : X86_EMUL_OK;
}

static enum x86_result f_pio_out(struct x86_emul *ctxt, u16 port, unsigned int size,
				 const void *buf, unsigned int count)
{
	unsigned int i;

	(void)port;
	demand((size == 1 || size == 2 || size == 4) && count &&
	       size * count <= X86_EMUL_PIO_MAX, "port access");
	for (i = 0; i < size * count; i++)
		sink += ((const u8 *)buf)[i];
	writes++;
	return answer(ctxt) == X86_EMUL_USER ? X86_EMUL_USER : X86_EMUL_OK;
}

static void f_read_vec(struct x86_emul *ctxt, unsigned int reg, void *buf, unsigned int len)
{
	(void)ctxt;
	demand(reg < 16 && (len == 16 || len == 32), "vector register");
	memset(buf, 0, len);
}

static void f_write_vec(struct x86_emul *ctxt, unsigned int reg, const void *buf,
			unsigned int len, bool zero_upper)
{
	(void)ctxt, (void)buf, (void)zero_upper;
	demand(reg < 16 && (len == 16 || len == 32), "vector register");
}

static enum x86_result f_get_dtable(struct x86_emul *ctxt, bool idt, struct x86_dtable *out)
{
	(void)ctxt;
	*out = (struct x86_dtable){ .limit = idt };
	return X86_EMUL_OK;
}

static enum x86_result f_set_dtable(struct x86_emul *ctxt, bool idt, const struct x86_dtable *table)
{
	(void)ctxt;
	(void)idt;
	(void)table;
	return X86_EMUL_OK;
}

static void f_retire(struct x86_emul *ctxt)
{
	(void)ctxt;
	retired++;
}

static const struct x86_emul_ops ops = {
	.read = f_read, .write = f_write, .cmpxchg = f_cmpxchg, .probe = f_probe,
	.seg = f_seg, .pio_in = f_pio_in, .pio_out = f_pio_out,
	.read_vec = f_read_vec, .write_vec = f_write_vec, .retire = f_retire,
	.get_dtable = f_get_dtable, .set_dtable = f_set_dtable,
};

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct x86_regs regs, before;
	struct x86_emul ctxt = { .ops = &ops, .regs = &regs, .cr4 = 0x40200, .xcr0 = 7 };
	u8 head[2], *bytes;
	enum x86_result r;
	unsigned int len;
	int ret;

	fuzz_begin(data, size);
	get(head, 2);
	len = head[1] & 15;
	bytes = malloc(len + 1);
	get(bytes + 1, len);
	ret = x86_decode(&ctxt.insn, bytes + 1, len, head[0] % 5);
	demand(ret >= X86_DECODE_OK && ret <= X86_DECODE_UNKNOWN, "decoder result");
	if (!ret) {
		demand(ctxt.insn.length && ctxt.insn.length <= len, "length");
		get(&regs, sizeof(regs));
		get(segs, sizeof(segs));
		ctxt.cpl = head[0] >> 6;
		before = regs;
		writes = 0;
		retired = 0;
		r = x86_emulate(&ctxt);
		demand(r <= X86_EMUL_RESTART, "result");
		demand(retired || !memcmp(&before, &regs, sizeof(regs)), "registers without completion");
		demand(r != X86_EMUL_OK || retired, "completion without retire");
		demand(r != X86_EMUL_UNHANDLED || !writes, "refusal after a write");
	}
	free(bytes);
	return 0;
}
