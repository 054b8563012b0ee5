# The test targets. `make check` is all that decides; the others are its parts.
#
#   make check-qemu PYTEST_ARGS='-k power_cut'    some end-to-end tests only
#   make check-unit SAN=asan,ubsan                unit tests under the sanitizers

# Debian's python3-drgn and python3-libkdumpfile are for Debian's python, not for whichever comes first in PATH.
PYTHON := $(firstword $(wildcard /usr/bin/python3) python3)
PYTEST := PYTHONDONTWRITEBYTECODE=1 $(PYTHON) -m pytest -p no:cacheprovider

# What makes threads: all that the thread sanitizer's build is for.
TSAN_TESTS := test_pool test_emit test_kdump_set test_plan_threads
UNIT_TESTS := $(if $(filter tsan,$(SAN)),$(TSAN_TESTS),$(patsubst tests/unit/%.c,%,$(sort $(wildcard tests/unit/test_*.c))))
UNIT_BINS := $(UNIT_TESTS:%=$(BUILD)/tests/%)
UNIT_RUNS := $(UNIT_BINS:=.run)
# The large files first: else all CPUs but one are idle in the end.
GOLDEN_TESTS := $(shell ls -S tests/golden/test_*.py)

# cmocka comes as a shared library only, so the tests are dynamic programs, of the same objects as the product.
TEST_LDFLAGS := $(patsubst -static-pie,-pie,$(LDFLAGS))
TEST_LDLIBS := $(shell $(PKG_CONFIG) --libs $(LIBS_PKG)) -lcmocka -lpthread -lm

.PHONY: check check-all check-layers check-unit check-san check-tsan check-golden check-qemu check-matrix bench demo deps
.PHONY: $(UNIT_RUNS)

check: ## every test; installs what it needs first
	$(Q)Kbuild-helpers/install-deps
# A new make: this one asked pkg-config before anything was installed.
	$(Q)$(MAKE) --no-print-directory check-all

check-all:
# -k: a failure in one build does not hide those of the others.
	$(Q)$(MAKE) --no-print-directory -k -j$$(nproc) -Otarget all check-layers check-unit check-san check-tsan
	$(Q)$(MAKE) --no-print-directory check-golden
	$(Q)$(MAKE) --no-print-directory check-qemu

deps: ## install the Debian packages that building and testing need
	$(Q)Kbuild-helpers/install-deps

demo: ## a guest panics, captures itself, and crash shows why; all before your eyes
	$(Q)Kbuild-helpers/demo

check-layers: ## who may include whom
	$(Q)$(PYTHON) Kbuild-helpers/check_layers.py

# Each program prints its own summary; all of them run before a failure counts.
check-unit: $(UNIT_RUNS) ## unit tests
	$(Q)failed=$$(ls $(UNIT_BINS:=.failed) 2>/dev/null); \
	if [ -n "$$failed" ]; then echo "unit tests failed:" $$failed >&2; exit 1; fi; \
	echo "unit tests$(if $(SAN), ($(SAN))): $(words $(UNIT_BINS)) programs passed"

$(UNIT_RUNS): %.run: %
	$(Q)rm -f $<.failed; $< || touch $<.failed

check-san: ## unit tests, and the program for the golden tests, under the address and undefined behaviour sanitizers
	$(Q)$(MAKE) --no-print-directory SAN=asan,ubsan all check-unit

check-tsan: ## unit tests of what makes threads, under the thread sanitizer
	$(Q)$(MAKE) --no-print-directory SAN=tsan check-unit

check-golden: $(BUILD)/innercore ## bytes in, bytes out: no guest needed
	$(Q)if [ -n "$(GOLDEN_TESTS)" ]; then $(PYTEST) -q -n $$(nproc) --dist loadfile $(GOLDEN_TESTS) $(PYTEST_ARGS); fi

bench: $(BUILD)/innercore $(BUILD)/bench/decode ## speed and size, side by side with makedumpfile
	$(Q)PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/bench/bench.py $(BENCH_FILE)
	$(Q)PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/bench/compare.py
	$(Q)PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/bench/scale.py

check-qemu: $(BUILD)/innercore ## end to end: real guests that panic
	$(Q)$(PYTEST) -v -ra --tb=short tests/qemu $(PYTEST_ARGS)

check-matrix: $(BUILD)/innercore ## a pair of dumps of every kind, and every kernel: 32 boots, two tables in the end; not part of check
	$(Q)$(PYTEST) -q -ra --tb=short tests/qemu/matrix.py tests/qemu/matrix_kernels.py $(PYTEST_ARGS)

# The linker takes of an archive what a test needs, which is not much.
$(BUILD)/tests/product.a: $(LIB_OBJS)
	@mkdir -p $(@D)
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/tests/%: tests/unit/%.c $(BUILD)/tests/product.a
	@echo "  CC      $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(TEST_LDFLAGS) -MMD -MP -MF $@.d -o $@ $< $(BUILD)/tests/product.a $(TEST_LDLIBS)

$(BUILD)/bench/%: tests/bench/%.c $(LIB_OBJS)
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB_OBJS) $(LDLIBS)

-include $(UNIT_BINS:=.d)
