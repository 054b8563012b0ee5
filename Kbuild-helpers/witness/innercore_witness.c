// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Plants pages whose content and kind are known, says where they are, and panics on request. For test guests only.
 *
 *   echo plant >/sys/module/innercore_witness/parameters/command
 *   echo panic >/sys/module/innercore_witness/parameters/command
 *
 * The writer's own memory gets the user pages, so the writer must live on. The log tells "witness: KIND PFN HASH" of
 * each page, where HASH is FNV-1a of its bytes. The files `shared` and `huge` are made by the caller, on a file system
 * of their kind: page cache, and hugetlbfs. What cannot be planted is said, and is no reason not to plant the rest.
 */
#include <asm/io.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/pgtable.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#define NR_PAGES 16
/* Beyond what a CPU keeps on its own free lists: what lies there is in nobody's use, but is not marked as free. */
#define FREE_ORDER 10
#define NR_FREE_BLOCKS 4
#define LARGE_KMALLOC_BYTES (64 * 1024)
/* Whole page tables of our own, whatever the mapping's first address is. */
#define NR_ALIASES (3 * PTRS_PER_PTE)

static char *shared = "/root/witness";
module_param(shared, charp, 0444);
static char *huge = "/mnt/hugetlbfs/witness";
module_param(huge, charp, 0444);

static struct kmem_cache *cache;
static u64 seed;

static u64 hash_of(const void *page)
{
	const u8 *at = page;
	u64 hash = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < PAGE_SIZE; i++)
		hash = (hash ^ at[i]) * 0x100000001b3ULL;
	return hash;
}

/* No two pages alike, and no byte of a page is likely to be that of another. */
static void fill(void *page)
{
	u64 *word = page;

	seed++;
	for (size_t i = 0; i < PAGE_SIZE / sizeof(*word); i++)
		word[i] = (seed << 32 | (i + 1)) * 0x9e3779b97f4a7c15ULL;
}

static void say(const char *kind, const void *page, unsigned long pfn)
{
	pr_info("witness: %s %lx %016llx\n", kind, pfn, hash_of(page));
}

static void plant_at(const char *kind, void *page, unsigned long pfn)
{
	fill(page);
	say(kind, page, pfn);
}

/* Objects of a page each, so that all bytes of the slab's pages are ours. */
static void plant_slab(void)
{
	cache = kmem_cache_create("innercore_witness", PAGE_SIZE, PAGE_SIZE, 0, NULL);
	for (unsigned i = 0; cache && i < NR_PAGES; i++) {
		void *page = kmem_cache_alloc(cache, GFP_KERNEL);

		if (page)
			plant_at("slab", page, page_to_pfn(virt_to_page(page)));
	}
}

static void plant_kernel(void)
{
	void *large = kmalloc(LARGE_KMALLOC_BYTES, GFP_KERNEL);
	void *area = vmalloc(NR_PAGES * PAGE_SIZE);

	for (unsigned i = 0; large && i < LARGE_KMALLOC_BYTES / PAGE_SIZE; i++)
		plant_at("large_kmalloc", large + i * PAGE_SIZE, page_to_pfn(virt_to_page(large + i * PAGE_SIZE)));
	for (unsigned i = 0; area && i < NR_PAGES; i++)
		plant_at("vmalloc", area + i * PAGE_SIZE, vmalloc_to_pfn(area + i * PAGE_SIZE));
	for (unsigned i = 0; i < NR_PAGES; i++) {
		struct page *plain = alloc_page(GFP_KERNEL), *zero = alloc_page(GFP_KERNEL | __GFP_ZERO);

		if (plain)
			plant_at("plain", page_address(plain), page_to_pfn(plain));
		if (zero)
			say("zero", page_address(zero), page_to_pfn(zero));
	}
}

/* The tables of a mapping that shows one page over and over: nobody else has an entry in those that are full of it. */
static void plant_kernel_table(void)
{
	struct page **pages = kvmalloc_array(NR_ALIASES, sizeof(*pages), GFP_KERNEL), *page = alloc_page(GFP_KERNEL);
	unsigned long at;

	if (!pages || !page)
		return;
	for (unsigned i = 0; i < NR_ALIASES; i++)
		pages[i] = page;
	at = (unsigned long)vmap(pages, NR_ALIASES, VM_MAP, PAGE_KERNEL);
	kvfree(pages);
	if (!at)
		return;
	for (unsigned long table = ALIGN(at, PMD_SIZE); table + PMD_SIZE <= at + NR_ALIASES * PAGE_SIZE;
	     table += PMD_SIZE) {
		unsigned level;
		void *entries = lookup_address(table, &level);

		if (entries && level == PG_LEVEL_4K)
			say("kernel_table", entries, page_to_pfn(virt_to_page(entries)));
	}
}

/* Freed in blocks so large that little else in an idle guest asks for them. */
static void plant_free(void)
{
	struct page *block[NR_FREE_BLOCKS];

	for (unsigned i = 0; i < NR_FREE_BLOCKS; i++) {
		block[i] = alloc_pages(GFP_KERNEL | __GFP_NOWARN, FREE_ORDER);
		/* Of each block a few pages speak for the rest: the log is small. */
		for (unsigned k = 0; block[i] && k < 1 << FREE_ORDER; k += (1 << FREE_ORDER) / NR_PAGES)
			plant_at("free", page_address(block[i] + k), page_to_pfn(block[i] + k));
	}
	for (unsigned i = 0; i < NR_FREE_BLOCKS; i++)
		if (block[i])
			__free_pages(block[i], FREE_ORDER);
}

/* Of the page of user memory at @at. */
static void plant_user_page(const char *kind, unsigned long at, void *buffer)
{
	struct page *page;

	fill(buffer);
	if (copy_to_user((void __user *)at, buffer, PAGE_SIZE) || get_user_pages_fast(at, 1, FOLL_WRITE, &page) != 1) {
		pr_warn("witness: no %s\n", kind);
		return;
	}
	say(kind, page_address(page), page_to_pfn(page));
	put_page(page);
}

static void plant_user_table(unsigned long at)
{
	pgd_t *pgd = pgd_offset(current->mm, at);
	p4d_t *p4d = pgd_none(*pgd) ? NULL : p4d_offset(pgd, at);
	pud_t *pud = !p4d || p4d_none(*p4d) ? NULL : pud_offset(p4d, at);
	pmd_t *pmd = !pud || pud_none(*pud) ? NULL : pmd_offset(pud, at);

	if (!pmd || pmd_none(*pmd) || pmd_val(*pmd) & _PAGE_PSE) {
		pr_warn("witness: no user_table\n");
		return;
	}
	say("user_table", (void *)pmd_page_vaddr(*pmd),
	    pmd_val(*pmd) >> PAGE_SHIFT & (PHYSICAL_PAGE_MASK >> PAGE_SHIFT));
}

/* From the first huge page boundary on where the mapping has one: then no other mapping shares that page table. */
static void plant_user(const char *kind, struct file *file, size_t len_bytes, size_t step)
{
	unsigned long flags = file ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	void *buffer = kmalloc(PAGE_SIZE, GFP_KERNEL);
	unsigned long at;

	if (IS_ERR(file) || !buffer) {
		pr_warn("witness: no %s (%d)\n", kind, PTR_ERR_OR_ZERO(file));
		kfree(buffer);
		return;
	}
	at = vm_mmap(file, 0, len_bytes, PROT_READ | PROT_WRITE, flags, 0);
	if (IS_ERR_VALUE(at)) {
		pr_warn("witness: no %s (%ld)\n", kind, (long)at);
	} else {
		unsigned long start = len_bytes > 2 * PMD_SIZE ? ALIGN(at, PMD_SIZE) : at;

		for (unsigned i = 0; i < NR_PAGES; i++)
			plant_user_page(kind, start + i * step, buffer);
		if (len_bytes > 2 * PMD_SIZE)
			plant_user_table(start);
	}
	kfree(buffer);
}

static void plant(void)
{
	struct file *file = filp_open(shared, O_RDWR | O_LARGEFILE, 0);

	plant_slab();
	plant_kernel();
	plant_kernel_table();
	plant_free();
	plant_user("anonymous", NULL, NR_PAGES * PAGE_SIZE, PAGE_SIZE);
	plant_user("cache", file, NR_PAGES * PAGE_SIZE, PAGE_SIZE);
	if (!IS_ERR(file))
		vfs_fsync(file, 0);
	plant_user("shmem", shmem_file_setup("witness", 3 * PMD_SIZE, 0), 3 * PMD_SIZE, PAGE_SIZE);
	/* Some of the middle of each of two huge pages. */
	plant_user("hugetlb", filp_open(huge, O_RDWR | O_LARGEFILE, 0), 2 * PMD_SIZE, 2 * PMD_SIZE / NR_PAGES);
}

static int command_set(const char *value, const struct kernel_param *param)
{
	if (sysfs_streq(value, "plant"))
		plant();
	else if (sysfs_streq(value, "panic"))
		panic("innercore witness: panic on request");
	else
		return -EINVAL;
	return 0;
}

static const struct kernel_param_ops command_ops = { .set = command_set };
module_param_cb(command, &command_ops, NULL, 0200);

/* What was planted stays as long as the guest does: there is no way to unload. */
static int __init witness_init(void)
{
	return 0;
}
module_init(witness_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Pages of known kind and content for innercore's tests");
