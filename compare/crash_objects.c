// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare/crash_objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "compare/cpu_notes.h"
#include "kernel/btf.h"
#include "kernel/kallsyms.h"
#include "kernel/module_symbol.h"

#define MAX_CPUS 8192u
#define MAX_CONSOLES 32u
#define PAGE_BYTES 4096u
#define SYMBOL_NAME_BYTES 40u
/* The compiler puts ".0", ".1" ... behind the name of a static variable in a function; it numbers those of a file. */
#define LOCAL_NUMBERS 32u
/* And it puts arrays at multiples of this. */
#define LOCAL_ALIGN 64u
/* note_buf_t: two note headers, "CORE" and its padding, struct elf_prstatus (include/linux/crash_core.h) */
#define CRASH_NOTE_BYTES (2u * 12 + 8 + PRSTATUS_BYTES_X86_64)
/* VMCOREINFO_NOTE_SIZE: two note headers, "VMCOREINFO" and its padding, a page */
#define VMCOREINFO_NOTE_BYTES (2u * 12 + 12 + PAGE_BYTES)
/* struct x86_hw_tss is packed: reserved1, sp0 to sp2, reserved2, ist[7]; IST_INDEX_NMI is 1 */
#define TSS_IST_NMI (4u + 3 * 8 + 8 + 8)
/* No structure of these is larger, whatever the kernel was configured to check. */
#define STRUCT_MAX_BYTES (64 * KIB)
#define SCREEN_MAX_BYTES (4 * MIB)

enum kind {
	VARIABLE,	    /* in the image */
	LOCAL,		    /* the same, a static variable in a function: the compiler puts a number behind its name */
	LOCAL_OF_TWO,	    /* the same, of two functions, and both are meant */
	POINTED,	    /* what a variable of the image points to */
	OF_PANIC_CPU,	    /* a per-CPU variable, the copy of the CPU that panics */
	OF_ANY_CPU,	    /* each copy: the other CPUs write theirs when they are stopped, or the hypervisor does */
	POINTED_OF_ANY_CPU, /* what alloc_percpu() gave */
	NMI_STACK_OF_ANY_CPU,
};

/*
 * Each is written on the way, by the function that stands beside it. Sizes are those of the type where that is one number,
 * else the most that it is with every check compiled in; an object also ends at the next symbol.
 */
struct object {
	const char *name;
	enum kind kind;
	uint32_t max_bytes;
};

static const struct object objects[] = {
	/* kernel/panic.c, and who is told of a panic */
	{ "panic_cpu", VARIABLE, 4 },			/* panic(), crash_kexec(): the CPU's number */
	{ "oops_in_progress", VARIABLE, 4 },		/* bust_spinlocks() */
	{ "console_printk", VARIABLE, 16 },		/* console_verbose() */
	{ "did_panic", VARIABLE, 4 },			/* hung_task_panic() */
	{ "rcu_cpu_stall_suppress", VARIABLE, 4 },	/* rcu_panic() */
	{ "panic_triggering_all_cpu_backtrace", VARIABLE, 1 }, /* panic_other_cpus_shutdown() */
	{ "panic_this_cpu_backtrace_printed", VARIABLE, 1 },   /* the same */
	{ "pvpanic_lock", VARIABLE, 64 },		/* pvpanic_send_event(): the host hears of it while that is held */

	/* kernel/printk/: each message on its way to the consoles; the log itself is dmesg_areas()'s */
	{ "console_sem", VARIABLE, 128 },		/* console_trylock(), console_unlock() */
	{ "console_locked", VARIABLE, 4 },		/* the same */
	{ "console_may_schedule", VARIABLE, 4 },	/* the same */
	{ "console_owner", VARIABLE, 8 },		/* console_lock_spinning_enable() */
	{ "console_owner_lock", VARIABLE, 64 },		/* the same */
	{ "console_waiter", VARIABLE, 1 },		/* console_trylock_spinning() */
	{ "text", LOCAL, 1024 },			/* console_emit_next_record() up to 6.2, its three buffers */
	{ "ext_text", LOCAL, 8192 },
	{ "dropped_text", LOCAL, 64 },
	{ "printk_shared_pbufs", VARIABLE, 4096 },	/* the same since 6.3 */
	{ "panic_nbcon_pbufs", VARIABLE, 4096 },	/* nbcon_get_default_prio() is that of a panic */
	{ "panic_console_dropped", LOCAL, 4 },	/* console_emit_next_record(), printk_get_next_message() */
	{ "suppress_panic_printk", VARIABLE, 4 },	/* the same */
	{ "legacy_allow_panic_sync", VARIABLE, 1 },	/* printk_legacy_allow_panic_sync() */
	{ "nbcon_cpu_emergency_cnt", VARIABLE, 4 },	/* nbcon_cpu_emergency_enter() */
	{ "printk_cpu_sync_owner", VARIABLE, 4 },	/* __printk_cpu_sync_try_get() in dump_stack() */
	{ "printk_cpu_sync_nested", VARIABLE, 4 },	/* the same */
	{ "printk_context", OF_PANIC_CPU, 4 },		/* __printk_safe_enter() */
	{ "printk_pending", OF_PANIC_CPU, 4 },		/* wake_up_klogd() */
	{ "wake_up_klogd_work", OF_PANIC_CPU, 64 },	/* the same, through irq_work_queue() */
	{ "raised_list", OF_PANIC_CPU, 8 },		/* irq_work_queue() */
	{ "lazy_list", OF_PANIC_CPU, 8 },		/* the same */
	{ "nbcon_pcpu_emergency_nesting", OF_PANIC_CPU, 4 }, /* nbcon_cpu_emergency_enter() */
	{ "console_srcu_srcu_data", OF_PANIC_CPU, 1024 },    /* console_srcu_read_lock() */
	{ "printing_lock", LOCAL, 4 },			/* vt_console_print() */

	/* what any code writes that takes a lock or asks for the time */
	{ "__preempt_count", OF_PANIC_CPU, 4 },		/* preempt_disable(); in pcpu_hot from 6.2 to 6.14 */
	{ "pcpu_hot", OF_PANIC_CPU, 64 },
	{ "sched_clock_data", OF_PANIC_CPU, 64 },	/* sched_clock_local(), where the TSC is not stable */
	{ "watchdog_touch_ts", OF_PANIC_CPU, 8 },	/* touch_nmi_watchdog(), of a serial port that lets wait */
	{ "watchdog_report_ts", OF_PANIC_CPU, 8 },	/* the same, as are the next three */
	{ "watchdog_nmi_touch", OF_PANIC_CPU, 1 },
	{ "wq_watchdog_touched_cpu", OF_PANIC_CPU, 8 },
	{ "wq_watchdog_touched", VARIABLE, 8 },

	/* __crash_kexec() */
	{ "__kexec_lock", VARIABLE, 4 },		/* kexec_trylock() */
	{ "kexec_mutex", VARIABLE, 256 },		/* the same, up to 6.0 */
	{ "vmcoreinfo_size", VARIABLE, 8 },		/* crash_save_vmcoreinfo(): CRASHTIME= */
	{ "vmcoreinfo_data", VARIABLE, 8 },		/* the same: from now on the copy in the reservation */
	{ "vmcoreinfo_data", POINTED, PAGE_BYTES },	/* vmcoreinfo_append_str() */
	{ "vmcoreinfo_note", POINTED, VMCOREINFO_NOTE_BYTES }, /* update_vmcoreinfo_note() */
	{ "crash_notes", POINTED_OF_ANY_CPU, CRASH_NOTE_BYTES }, /* crash_save_cpu() */

	/* arch/x86: machine_crash_shutdown(), machine_kexec() */
	{ "cpus_stopped", LOCAL_OF_TWO, 4 },		/* crash_smp_send_stop(), and the weak one of kernel/panic.c */
	{ "crashing_cpu", VARIABLE, 4 },		/* nmi_shootdown_cpus(), as are the next four */
	{ "shootdown_callback", VARIABLE, 8 },
	{ "waiting_for_crash_ipi", VARIABLE, 4 },
	{ "crash_ipi_issued", VARIABLE, 4 },
	{ "nmi_desc", VARIABLE, 512 },			/* set_emergency_nmi_handler() */
	{ "ioapic_lock", VARIABLE, 64 },		/* ioapic_zap_locks() */
	{ "cpu_tlbstate", OF_PANIC_CPU, 256 },		/* cr4_clear_bits() where the guest is a host as well */
	{ "ftrace_enabled", VARIABLE, 4 },		/* __ftrace_enabled_save() */
	{ "irq_stack_backing_store", OF_ANY_CPU, 8 * PAGE_BYTES },
	{ "cpu_tss_rw", NMI_STACK_OF_ANY_CPU, 0 },	/* crash_nmi_callback() */

	/* arch/x86/kernel/kvm.c */
	{ "apf_reason", OF_PANIC_CPU, 128 },		/* kvm_pv_disable_apf() */
	{ "steal_time", OF_ANY_CPU, 64 },		/* the hypervisor, whenever a vCPU begins to run */
	{ "hv_clock_boot", VARIABLE, PAGE_BYTES },	/* the same */
};

/* The same where they are in a module. */
static const struct {
	const char *module, *name;
	uint32_t max_bytes;
} module_objects[] = {
	{ "pvpanic", "pvpanic_lock", 64 },
};

/* By which others are found. */
enum guide {
	PER_CPU_OFFSET, NR_CPU_IDS, PANIC_CPU, START_BTF, STOP_BTF, CURRENT_TASK, PCPU_HOT, CONSOLE_LIST, CONSOLE_DRIVERS,
	SERIAL_PORTS, VC_CONS, FG_CONSOLE, MODULES, NR_GUIDES,
};

static const char *const guide_names[NR_GUIDES] = {
	[PER_CPU_OFFSET] = "__per_cpu_offset", [NR_CPU_IDS] = "nr_cpu_ids",
	[PANIC_CPU] = "panic_cpu",	       [START_BTF] = "__start_BTF",
	[STOP_BTF] = "__stop_BTF",	       [CURRENT_TASK] = "current_task",
	[PCPU_HOT] = "pcpu_hot",	       [CONSOLE_LIST] = "console_list",
	[CONSOLE_DRIVERS] = "console_drivers", [SERIAL_PORTS] = "serial8250_ports",
	[VC_CONS] = "vc_cons",		       [FG_CONSOLE] = "fg_console",
	[MODULES] = "modules",
};

static const char *const type_names[] = { "task_struct", "pcpu_hot", "console", "uart_8250_port", "vc", "vc_data",
					  MODULE_SYMBOL_TYPES };

struct search {
	struct kmodel *km;
	const struct crash_objects_sink *sink;
	struct kallsyms_symbol guide[NR_GUIDES];
	struct btf *btf; /* NULL: none */
	uint32_t nr_cpus;
	bool has_panic_cpu;
	uint64_t panic_offset; /* of the per-CPU variables of the CPU that panics */
};

static bool read_pointer(struct search *s, uint64_t vaddr, uint64_t *value)
{
	return kmodel_read_u64(s->km, vaddr, value, NULL) == ST_OK && *value >> 63;
}

static bool cpu_offset(struct search *s, uint32_t cpu, uint64_t *offset)
{
	const struct kallsyms_symbol *offsets = &s->guide[PER_CPU_OFFSET];

	return offsets->found && kmodel_read_u64(s->km, offsets->vaddr + (uint64_t)cpu * 8, offset, NULL) == ST_OK;
}

static void find_cpus(struct search *s)
{
	const struct kallsyms_symbol *ids = &s->guide[NR_CPU_IDS], *panic = &s->guide[PANIC_CPU];
	const struct kallsyms_symbol *offsets = &s->guide[PER_CPU_OFFSET];
	uint32_t cpu;

	s->nr_cpus = 1;
	if (ids->found && kmodel_read_u32(s->km, ids->vaddr, &s->nr_cpus, NULL) != ST_OK)
		s->nr_cpus = 1;
	/* What lies behind the array is no CPU's, whatever the guest counts. */
	s->nr_cpus = (uint32_t)min_u64(s->nr_cpus, min_u64(MAX_CPUS, (offsets->end_vaddr - offsets->vaddr) / 8));
	/* PANIC_CPU_INVALID, which is -1, until somebody panics */
	s->has_panic_cpu = panic->found && kmodel_read_u32(s->km, panic->vaddr, &cpu, NULL) == ST_OK &&
			   cpu < s->nr_cpus && cpu_offset(s, cpu, &s->panic_offset);
}

static void tell(struct search *s, uint64_t vaddr, uint64_t len)
{
	if (len)
		s->sink->object(s->sink->ctx, vaddr, len);
}

/* @offset, @at: of one CPU's copies. */
static void tell_copy(struct search *s, const struct object *o, const struct kallsyms_symbol *sym, uint64_t offset,
		      uint64_t size)
{
	uint64_t value;

	if (o->kind == OF_ANY_CPU)
		tell(s, sym->vaddr + offset, size);
	else if (o->kind == POINTED_OF_ANY_CPU && kmodel_read_u64(s->km, sym->vaddr, &value, NULL) == ST_OK && value)
		tell(s, value + offset, o->max_bytes);
	else if (o->kind == NMI_STACK_OF_ANY_CPU && read_pointer(s, sym->vaddr + offset + TSS_IST_NMI, &value))
		s->sink->in_stack(s->sink->ctx, value - 1);
}

static void tell_object(struct search *s, const struct object *o, const struct kallsyms_symbol *sym)
{
	uint64_t size = min_u64(o->max_bytes, sym->end_vaddr - sym->vaddr), value;

	switch (o->kind) {
	case LOCAL:
	case LOCAL_OF_TWO:
	case VARIABLE:
		tell(s, sym->vaddr, size);
		break;
	case POINTED:
		if (read_pointer(s, sym->vaddr, &value))
			tell(s, value, o->max_bytes);
		break;
	case OF_PANIC_CPU:
		if (s->has_panic_cpu)
			tell(s, sym->vaddr + s->panic_offset, size);
		break;
	case OF_ANY_CPU:
	case POINTED_OF_ANY_CPU:
	case NMI_STACK_OF_ANY_CPU:
		for (uint32_t cpu = 0; cpu < s->nr_cpus; cpu++)
			if (cpu_offset(s, cpu, &value))
				tell_copy(s, o, sym, value, size);
		break;
	}
}

/* --- what types lead to ------------------------------------------------------------------------------------------- */

static bool struct_size(struct search *s, const char *name, uint64_t *size)
{
	return s->btf && btf_struct_size(s->btf, name, size) && *size && *size <= STRUCT_MAX_BYTES;
}

/* Of the task that panics: rcu_read_lock_nesting, thread_info, and whatever the kernel was configured to count in it. */
static void find_task(struct search *s)
{
	uint64_t at = 0, task, size;

	if (!s->has_panic_cpu || !struct_size(s, "task_struct", &size))
		return;
	if (s->guide[CURRENT_TASK].found)
		at = s->guide[CURRENT_TASK].vaddr;
	else if (s->guide[PCPU_HOT].found && btf_offset(s->btf, "pcpu_hot", "current_task", &at))
		at += s->guide[PCPU_HOT].vaddr;
	else
		return;
	if (read_pointer(s, at + s->panic_offset, &task))
		tell(s, task, size);
}

/* A serial8250_console_write() takes the lock of its port, and saves and restores its registers in it. */
static void find_serial_port(struct search *s, uint64_t console)
{
	const struct kallsyms_symbol *ports = &s->guide[SERIAL_PORTS];
	uint64_t name_off, index_off, size;
	uint8_t index[2];
	char name[5];

	if (ports->nr_same != 1 || !struct_size(s, "uart_8250_port", &size) ||
	    !btf_offset(s->btf, "console", "name", &name_off) || !btf_offset(s->btf, "console", "index", &index_off) ||
	    kmodel_read(s->km, console + name_off, name, sizeof(name), NULL) != ST_OK ||
	    kmodel_read(s->km, console + index_off, index, sizeof(index), NULL) != ST_OK)
		return;
	if (!memcmp(name, "ttyS", sizeof(name)) &&
	    (get_u16(index, s->km->pm->order) + UINT64_C(1)) * size <= ports->end_vaddr - ports->vaddr)
		tell(s, ports->vaddr + get_u16(index, s->km->pm->order) * size, size);
}

/* Each console that is registered counts what it has shown. A list of nodes since 6.2, of the structs themselves before. */
static void find_consoles(struct search *s)
{
	const struct kallsyms_symbol *list = &s->guide[CONSOLE_LIST], *drivers = &s->guide[CONSOLE_DRIVERS];
	uint64_t at, off, size, console;

	if (!struct_size(s, "console", &size))
		return;
	if (list->nr_same == 1 && btf_offset(s->btf, "console", "node", &off))
		at = list->vaddr;
	else if (drivers->nr_same == 1 && btf_offset(s->btf, "console", "next", &off))
		at = drivers->vaddr;
	else
		return;
	for (unsigned i = 0; i < MAX_CONSOLES && read_pointer(s, at, &at); i++) {
		console = list->nr_same == 1 ? at - off : at;
		tell(s, console, size);
		find_serial_port(s, console);
		at = console + off;
	}
}

/* vt_console_print(): where the cursor is on the screen that one sees, and the characters. */
static void find_screen(struct search *s)
{
	const struct kallsyms_symbol *vcs = &s->guide[VC_CONS], *fg = &s->guide[FG_CONSOLE];
	uint64_t step, size, buffer_off, size_off, vc, buffer;
	uint32_t number, buffer_size;

	if (vcs->nr_same != 1 || fg->nr_same != 1 || !struct_size(s, "vc", &step) || !struct_size(s, "vc_data", &size) ||
	    kmodel_read_u32(s->km, fg->vaddr, &number, NULL) != ST_OK ||
	    (number + UINT64_C(1)) * step > vcs->end_vaddr - vcs->vaddr ||
	    !read_pointer(s, vcs->vaddr + number * step, &vc))
		return;
	tell(s, vc, size);
	if (btf_offset(s->btf, "vc_data", "vc_screenbuf", &buffer_off) &&
	    btf_offset(s->btf, "vc_data", "vc_screenbuf_size", &size_off) && read_pointer(s, vc + buffer_off, &buffer) &&
	    kmodel_read_u32(s->km, vc + size_off, &buffer_size, NULL) == ST_OK && buffer_size <= SCREEN_MAX_BYTES)
		tell(s, buffer, buffer_size);
}

static void find_in_modules(struct search *s)
{
	const struct kallsyms_symbol *modules = &s->guide[MODULES];
	uint64_t vaddr, len;

	for (size_t i = 0; i < ARRAY_SIZE(module_objects) && modules->nr_same == 1; i++)
		if (module_symbol(s->km, s->btf, modules->vaddr, module_objects[i].module, module_objects[i].name, &vaddr,
				  &len))
			tell(s, vaddr, min_u64(len, module_objects[i].max_bytes));
}

static void find_by_types(struct search *s)
{
	const struct kallsyms_symbol *start = &s->guide[START_BTF], *stop = &s->guide[STOP_BTF];

	if (!start->found || !stop->found ||
	    btf_open(s->km, start->vaddr, stop->vaddr, type_names, ARRAY_SIZE(type_names), &s->btf, NULL) != ST_OK)
		return;
	find_task(s);
	find_consoles(s);
	find_screen(s);
	find_in_modules(s);
	btf_close(s->btf);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static bool is_local(const struct object *o)
{
	return o->kind == LOCAL || o->kind == LOCAL_OF_TWO;
}

/* The symbols that may be an object's. */
static size_t nr_names(const struct object *o)
{
	return is_local(o) ? LOCAL_NUMBERS : 1;
}

static size_t nr_symbols(void)
{
	size_t nr = NR_GUIDES;

	for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
		nr += nr_names(&objects[i]);
	return nr;
}

static void name_symbols(struct kallsyms_symbol *sym, char (*text)[SYMBOL_NAME_BYTES])
{
	for (size_t i = 0; i < NR_GUIDES; i++)
		(sym++)->name = guide_names[i];
	for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
		for (unsigned k = 0; is_local(&objects[i]) && k < LOCAL_NUMBERS; k++, text++) {
			snprintf(*text, sizeof(*text), "%s.%u", objects[i].name, k);
			(sym++)->name = *text;
		}
		if (!is_local(&objects[i]))
			(sym++)->name = objects[i].name;
	}
}

/* Its name tells less than others': what has not just the right size is something else. */
static bool fits(const struct object *o, const struct kallsyms_symbol *sym)
{
	uint64_t room = sym->end_vaddr - sym->vaddr;

	return !is_local(o) || (room >= o->max_bytes && room < o->max_bytes + LOCAL_ALIGN);
}

static void tell_objects(struct search *s, const struct kallsyms_symbol *sym)
{
	for (size_t i = 0; i < ARRAY_SIZE(objects); sym += nr_names(&objects[i++])) {
		const struct object *o = &objects[i];
		unsigned nr = 0;

		for (size_t k = 0; k < nr_names(o); k++)
			nr += sym[k].found ? sym[k].nr_same : 0;
		for (size_t k = 0; k < nr_names(o) && nr <= (o->kind == LOCAL_OF_TWO ? 2 : 1); k++)
			if (sym[k].found && fits(o, &sym[k]))
				tell_object(s, o, &sym[k]);
	}
}

void crash_objects_find(struct kmodel *km, const struct crash_objects_sink *sink)
{
	size_t nr = nr_symbols();
	_cleanup_free_ struct kallsyms_symbol *symbols = calloc(nr, sizeof(*symbols));
	_cleanup_free_ char(*text)[SYMBOL_NAME_BYTES] = calloc(nr, sizeof(*text));
	struct search s = { .km = km, .sink = sink };

	if (!symbols || !text)
		return;
	name_symbols(symbols, text);
	if (kallsyms_lookup_objects(km, symbols, nr, NULL) != ST_OK)
		return;
	memcpy(s.guide, symbols, sizeof(s.guide));
	find_cpus(&s);
	tell_objects(&s, symbols + NR_GUIDES);
	find_by_types(&s);
}
