# Which files make the product: every .c of the product's folders. Tests live elsewhere.

PRODUCT_DIRS := common formats formats/io formats/elf formats/kdump formats/codec kernel kernel/arch emit capture \
	compare repair verify initramfs kexec cli
# The thread sanitizer is for what makes threads, and that is up to here.
ifeq ($(SAN),tsan)
PRODUCT_DIRS := common formats formats/io formats/elf formats/kdump formats/codec kernel kernel/arch emit capture
endif
PRODUCT_SRCS := $(foreach d,$(PRODUCT_DIRS),$(sort $(wildcard $(d)/*.c)))
PRODUCT_OBJS := $(PRODUCT_SRCS:%.c=$(BUILD)/obj/%.o)

# All but main(): what unit tests link.
LIB_OBJS := $(filter-out $(BUILD)/obj/cli/main.o,$(PRODUCT_OBJS))
