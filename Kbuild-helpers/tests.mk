# The test targets.

UNIT_SRCS := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS := $(UNIT_SRCS:tests/unit/%.c=$(BUILD)/tests/%)

.PHONY: check check-layers check-unit demo deps

deps: ## install the Debian packages that building and testing need
	$(Q)Kbuild-helpers/install-deps

check-layers: ## who may include whom
	$(Q)python3 Kbuild-helpers/check_layers.py

$(BUILD)/tests/%: tests/unit/%.c $(LIB_OBJS)
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -MMD -MP -o $@ $< $(LIB_OBJS) $(LDLIBS) -lcmocka
