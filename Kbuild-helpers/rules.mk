# How things are built.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all clean help install

all: $(BUILD)/innercore ## build/innercore

$(BUILD)/innercore: $(PRODUCT_OBJS)
	@echo "  LD      $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/obj/%.o: %.c Makefile $(wildcard Kbuild-helpers/*.mk)
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# What a compiler's dependency file does not list: .incbin.
$(BUILD)/obj/compare/html_assets.o: compare/report.css compare/report.js

-include $(PRODUCT_OBJS:.o=.d)

DESTDIR ?=
PREFIX ?= /usr
install: all ## into $(DESTDIR)$(PREFIX)
	install -D -m 0755 -s $(BUILD)/innercore $(DESTDIR)$(PREFIX)/sbin/innercore
	install -D -m 0644 cli/innercore.8 $(DESTDIR)$(PREFIX)/share/man/man8/innercore.8

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile Kbuild-helpers/*.mk | expand -t 24
