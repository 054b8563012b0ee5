# Which files make the product: every .c of the product's folders. Tests live elsewhere.

# What makes threads; the thread sanitizer's build ends there.
THREADED_DIRS := common formats formats/io formats/elf formats/kdump formats/codec kernel kernel/arch emit capture compare
PRODUCT_DIRS := $(THREADED_DIRS) $(if $(filter tsan,$(SAN)),,repair verify initramfs kexec cli)
PRODUCT_SRCS := $(foreach d,$(PRODUCT_DIRS),$(sort $(wildcard $(d)/*.c)))
PRODUCT_OBJS := $(PRODUCT_SRCS:%.c=$(BUILD)/obj/%.o)

# All but main(): what unit tests link.
LIB_OBJS := $(filter-out $(BUILD)/obj/cli/main.o,$(PRODUCT_OBJS))
