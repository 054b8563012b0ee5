// SPDX-License-Identifier: GPL-2.0-or-later
#include "kexec/cmdline.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"

/* Dropped from the running kernel's command line; "*" takes any rest. */
static const char *const dropped[] = {
	/* the first kernel's own reservation and how it was loaded */
	"crashkernel",
	"BOOT_IMAGE",
	"initrd",
	"initramfs*",
	"elfcorehdr",
	"kexec_*",
	"fadump",
	/* its root and its user space */
	"root",
	"rootflags",
	"rootfstype",
	"rootwait",
	"rootdelay",
	"ro",
	"rw",
	"init",
	"rdinit",
	"resume",
	"resume_offset",
	"noresume",
	"hibernate",
	"systemd.*",
	"rd.*",
	"luks.*",
	"netroot",
	"nfsroot",
	"ip",
	"bootdev",
	"splash",
	"plymouth.*",
	"vt.*",
	"logo.*",
	"ostree",
	"single",
	"emergency",
	"rescue",
	"fsck.*",
	/* memory that the corner has not got */
	"mem",
	"memmap",
	"hugepages",
	"hugepagesz",
	"default_hugepagesz",
	"hugetlb_cma",
	"hugetlb_free_vmemmap",
	"cma",
	"log_buf_len",
	"swiotlb",
	"movablecore",
	"kernelcore",
	"movable_node",
	"memory_hotplug.*",
	"memhp_default_state",
	"zswap.*",
	"transparent_hugepage",
	"kfence.*",
	"page_owner",
	"page_poison",
	"kmemleak",
	"slub_debug",
	"slab_debug",
	"debug_pagealloc",
	"kasan*",
	"stack_depot*",
	"trace_*",
	"ftrace*",
	"ramoops.*",
	/* which CPUs it had */
	"nr_cpus",
	"disable_cpu_apicid",
	"maxcpus",
	"possible_cpus",
	"isolcpus",
	"nohz_full",
	"rcu_nocbs",
	"irqaffinity",
	"numa",
	"numa_balancing",
	"cgroup_disable",
	/* what would end the capture where the first kernel wanted to end */
	"panic",
	"oops",
	"panic_on_*",
	"softlockup_panic",
	"hardlockup_panic",
	"hung_task_panic",
	"nmi_watchdog",
	"unknown_nmi_panic",
	"crash_kexec_post_notifiers",
	"panic_print",
	"pause_on_oops",
	/* silence, when words are needed */
	"quiet",
	"loglevel",
	"printk.*",
};

/*
 * reset_devices, irqpoll: devices were not shut down.
 * numa=off, cgroup_disable, transparent_hugepage, acpi_no_memhotplug, novmcoredd, nokaslr: memory is what is short.
 * panic=10: a capture kernel that fails must not leave the machine standing.
 */
static const char added[] = "reset_devices irqpoll panic=10 cgroup_disable=memory numa=off nokaslr "
			    "acpi_no_memhotplug transparent_hugepage=never novmcoredd rdinit=/init";

/* Parameter names treat "-" and "_" alike, as the kernel's parameq() does. */
static bool same_char(char a, char b)
{
	return (a == '-' ? '_' : a) == (b == '-' ? '_' : b);
}

struct parameter {
	const char *text;
	size_t len, name_len;
};

/* @pattern: a name, perhaps with "*" at its end, of @pattern_len. */
static bool name_matches(const struct parameter *p, const char *pattern, size_t pattern_len)
{
	bool open = pattern_len && pattern[pattern_len - 1] == '*';

	if (open)
		pattern_len--;
	if (open ? p->name_len < pattern_len : p->name_len != pattern_len)
		return false;
	for (size_t i = 0; i < pattern_len; i++)
		if (!same_char(p->text[i], pattern[i]))
			return false;
	return true;
}

static bool is_dropped(const struct parameter *p, const char *remove)
{
	for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
		if (name_matches(p, dropped[i], strlen(dropped[i])))
			return true;
	for (const char *r = remove; *r; r += strcspn(r, " \t,")) {
		r += strspn(r, " \t,");
		if (*r && name_matches(p, r, strcspn(r, " \t,")))
			return true;
	}
	return false;
}

/* Length of the parameter at @s; blanks in double quotes belong to it. */
static size_t parameter_length(const char *s)
{
	bool quoted = false;
	size_t n = 0;

	for (; s[n] && s[n] != '\n' && (quoted || (s[n] != ' ' && s[n] != '\t')); n++)
		if (s[n] == '"')
			quoted = !quoted;
	return n;
}

/* The first parameter at or behind *@at, which moves behind it. False: none. What follows "--" is for init. */
static bool next_parameter(const char **at, struct parameter *p)
{
	const char *s = *at + strspn(*at, " \t\n");

	*p = (struct parameter){ .text = s, .len = parameter_length(s) };
	if (!p->len || (p->len == 2 && s[0] == '-' && s[1] == '-'))
		return false;
	while (p->name_len < p->len && s[p->name_len] != '=')
		p->name_len++;
	*at = s + p->len;
	return true;
}

const char *cmdline_value(const char *parameters, const char *name, size_t *len)
{
	const char *value = NULL;
	struct parameter p;

	while (next_parameter(&parameters, &p)) {
		if (p.name_len == p.len || !name_matches(&p, name, strlen(name)))
			continue;
		value = p.text + p.name_len + 1;
		*len = p.len - p.name_len - 1;
	}
	return value;
}

static bool append_word(char *buf, size_t len, size_t *used, const char *word, size_t word_len)
{
	int n;

	if (!word_len)
		return true;
	n = snprintf(buf + *used, len - *used, "%s%.*s", *used ? " " : "", (int)word_len, word);
	if (n < 0 || (size_t)n >= len - *used)
		return false;
	*used += (size_t)n;
	return true;
}

enum status cmdline_build(const char *running, const char *remove, const char *cpus, const char *append, char *buf,
			  size_t len, struct err *err)
{
	struct parameter p;
	bool fits = true;
	size_t used = 0;

	buf[0] = '\0';
	while (fits && next_parameter(&running, &p))
		if (!is_dropped(&p, remove))
			fits = append_word(buf, len, &used, p.text, p.len);
	fits = fits && append_word(buf, len, &used, cpus, strlen(cpus));
	fits = fits && append_word(buf, len, &used, added, sizeof(added) - 1);
	fits = fits && append_word(buf, len, &used, append, strlen(append));
	if (!fits)
		return err_set(
			err, ST_USAGE,
			"the capture kernel's command line is longer than %zu characters: name parameters to leave out "
			"in cmdline_remove",
			len - 1);
	return ST_OK;
}
