// SPDX-License-Identifier: GPL-2.0-or-later
/* The resource tree of a kernel that tells of no symbol table, as before Linux 6.0: found in the image, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_kernel.h"
#include "kernel/iomem.h"

#define MEM UINT64_C(0x200)
#define BUSY UINT64_C(0x80000000)

struct image {
	struct fake_kernel *fk;
	uint64_t strings, data; /* two pages each */
	uint64_t used_bytes;	/* of data */
};

static void put_resource(struct image *im, uint64_t at, const uint64_t words[8])
{
	for (unsigned i = 0; i < 8; i++)
		fake_put_u64(im->fk, at + i * 8, words[i]);
}

/* A resource in data; what it says of its name and relatives are addresses. */
static uint64_t resource(struct image *im, uint64_t start, uint64_t last, uint64_t name, uint64_t parent, uint64_t sibling,
			 uint64_t child)
{
	uint64_t at = im->data + im->used_bytes;

	im->used_bytes += 64;
	put_resource(im, at, (uint64_t[8]){ start, last, name, MEM | BUSY, 0, parent, sibling, child });
	return at;
}

static uint64_t string(struct image *im, uint64_t offset, const char *s)
{
	fake_put(im->fk, im->strings + offset, s, strlen(s) + 1);
	return im->strings + offset;
}

static struct image new_image(void)
{
	struct image im = { .fk = fake_kernel_new(4 * MIB) };

	im.strings = fake_alloc_image(im.fk, 2 * FAKE_PAGE);
	im.data = fake_alloc_image(im.fk, 2 * FAKE_PAGE);
	return im;
}

/* System RAM with the kernel's text in it, and a reservation; returns the first of the root's children. */
static uint64_t children(struct image *im, const char *text)
{
	uint64_t ram_name = string(im, 64, "System RAM");
	uint64_t code = resource(im, FAKE_STEXT_PADDR, FAKE_STEXT_PADDR + 0xffff, string(im, 128, text), 0, 0, 0);
	uint64_t reserved = resource(im, 0x380000, 0x3fffff, string(im, 192, "Reserved"), 0, 0, 0);

	return resource(im, 0x1000, 0x37ffff, ram_name, 0, reserved, code);
}

static enum status read_tree(struct image *im, struct iomem *io)
{
	struct kmodel *km = fake_kernel_open(im->fk);
	struct err err = { 0 };
	enum status st = iomem_init(io, km, &err);

	kmodel_close(km);
	fake_kernel_free(im->fk);
	return st;
}

static void test_found_in_the_image(void **state)
{
	struct image im = new_image();
	struct iomem io;

	resource(&im, 0, UINT64_MAX, string(&im, 0, "PCI mem"), 0, 0, children(&im, "Kernel code"));
	assert_int_equal(read_tree(&im, &io), ST_OK);
	assert_int_equal(io.nr_regions, 3);
	assert_true(iomem_is_inside(&io, FAKE_STEXT_PADDR, "Kernel code"));
	assert_true(iomem_is_inside(&io, 0x390000, "Reserved"));
	assert_int_equal(iomem_ram_end(&io), 0x380000);
	iomem_deinit(&io);
}

/* The name's pages are not neighbours in RAM, and the addresses end where this CPU's do. */
static void test_name_across_pages(void **state)
{
	struct image im = new_image();
	struct iomem io;

	resource(&im, 0, (UINT64_C(1) << 46) - 1, string(&im, FAKE_PAGE - 3, "PCI mem"), 0, 0, children(&im, "Kernel code"));
	assert_int_equal(read_tree(&im, &io), ST_OK);
	assert_int_equal(io.nr_regions, 3);
	iomem_deinit(&io);
}

/* What else has that name, or points to it, is not the root: it has relatives, or is no memory, or too small. */
static void test_lookalikes(void **state)
{
	struct image im = new_image();
	uint64_t name, child, ports;
	struct iomem io;

	name = string(&im, 0, "PCI mem");
	string(&im, 32, "PCI memory"); /* another word */
	child = children(&im, "Kernel code");
	resource(&im, 0, UINT64_MAX, name, im.data, 0, child);
	resource(&im, 0, UINT64_MAX, name, 0, im.data, child);
	resource(&im, 0, UINT64_MAX, name, 0, 0, 0);
	resource(&im, 0, 0xffff, name, 0, 0, child);
	resource(&im, 4096, UINT64_MAX, name, 0, 0, child);
	ports = resource(&im, 0, UINT64_MAX, name, 0, 0, child);
	fake_put_u64(im.fk, ports + 24, 0x100);
	resource(&im, 0, UINT64_MAX, name, 0, 0, child);
	assert_int_equal(read_tree(&im, &io), ST_OK);
	assert_int_equal(io.nr_regions, 3);
	iomem_deinit(&io);
}

static void test_tree_without_the_kernels_text_is_none(void **state)
{
	struct image im = new_image();
	struct iomem io;

	resource(&im, 0, UINT64_MAX, string(&im, 0, "PCI mem"), 0, 0, children(&im, "Kernel rodata"));
	assert_int_equal(read_tree(&im, &io), ST_NOT_FOUND);
	assert_null(io.regions);
}

static void test_no_name(void **state)
{
	struct image im = new_image();
	struct iomem io;

	resource(&im, 0, UINT64_MAX, string(&im, 0, "PCI IO"), 0, 0, children(&im, "Kernel code"));
	assert_int_equal(read_tree(&im, &io), ST_NOT_FOUND);
}

static void test_unreadable_pages_are_passed_over(void **state)
{
	struct image im = new_image();
	uint64_t more = fake_alloc_image(im.fk, FAKE_PAGE);
	struct iomem io;
	uint64_t child;

	string(&im, 0, "PCI mem");
	child = children(&im, "Kernel code");
	put_resource(&im, more, (uint64_t[8]){ 0, UINT64_MAX, im.strings, MEM, 0, 0, 0, child });
	fake_hole(im.fk, im.data + FAKE_PAGE, ST_IO);
	assert_int_equal(read_tree(&im, &io), ST_OK);
	assert_int_equal(io.nr_regions, 3);
	iomem_deinit(&io);
}

static void test_tree_without_end(void **state)
{
	struct image im = new_image();
	uint64_t child = children(&im, "Kernel code");
	struct iomem io;

	fake_put_u64(im.fk, child + 48, child);
	resource(&im, 0, UINT64_MAX, string(&im, 0, "PCI mem"), 0, 0, child);
	assert_int_equal(read_tree(&im, &io), ST_BAD_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found_in_the_image),
		cmocka_unit_test(test_name_across_pages),
		cmocka_unit_test(test_lookalikes),
		cmocka_unit_test(test_tree_without_the_kernels_text_is_none),
		cmocka_unit_test(test_no_name),
		cmocka_unit_test(test_unreadable_pages_are_passed_over),
		cmocka_unit_test(test_tree_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
