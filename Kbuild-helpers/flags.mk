# Compiler, flags, and where the output goes.
#   make                    static-pie build/innercore
#   make SAN=asan,ubsan     dynamic build/asan-ubsan/innercore, for logic only
#   make V=1                show commands

CC ?= gcc
PKG_CONFIG ?= pkg-config
SAN ?=
comma := ,

LIBS_PKG := libelf libdeflate zlib lzo2 snappy libzstd liblzma blkid jansson nettle libseccomp

ifeq ($(SAN),)
BUILD := build
else
BUILD := build/$(subst $(comma),-,$(SAN))
SAN_FLAGS := $(foreach s,$(subst $(comma), ,$(SAN)),-fsanitize=$(patsubst asan,address,$(patsubst ubsan,undefined,$(patsubst tsan,thread,$(s)))))
SAN_FLAGS += -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

VERSION := $(shell sed -n 's/^## \([0-9][^ ]*\).*/\1/p' CHANGELOG.md | head -n 1)

CPPFLAGS += -I. -D_GNU_SOURCE -DINNERCORE_VERSION='"$(VERSION)"'
# Two more builds of everything stand between a change and its test; only the product has to be fast.
CFLAGS ?= $(if $(SAN),-O1,-O2) -g
CFLAGS += -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wundef -Wvla -Wformat=2 -Wwrite-strings -Wno-unused-parameter \
	-fstack-protector-strong -fstack-clash-protection -fcf-protection -ftrivial-auto-var-init=zero -fno-common \
	-ffunction-sections -fdata-sections
ifeq ($(SAN),)
CPPFLAGS += -D_FORTIFY_SOURCE=2
CFLAGS += -fPIE
LDFLAGS += -static-pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections
LDLIBS := $(shell $(PKG_CONFIG) --static --libs $(LIBS_PKG)) -lstdc++ -lpthread -lm
else
CFLAGS += $(SAN_FLAGS)
LDFLAGS += $(SAN_FLAGS)
LDLIBS := $(shell $(PKG_CONFIG) --libs $(LIBS_PKG)) -lpthread
endif
CPPFLAGS += $(shell $(PKG_CONFIG) --cflags $(LIBS_PKG))

Q := $(if $(V),,@)
