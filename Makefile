# SPDX-License-Identifier: GPL-2.0-or-later
# sluice: everything is built below $(BUILD). `make help` lists the targets.

BUILD	?= build
PREFIX	?= /usr/local
DESTDIR	?=
CC	?= gcc
CLANG	?= clang
# A second clang that the BPF programs must also build and load with.
CLANG_NEW ?= clang-19
BPFTOOL	?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
JOBS	?= $(shell nproc)
VERSION	:= $(shell cat VERSION)

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	    -Wundef -Wvla -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough
INCLUDES := -Iinclude -Iheaders -Iuser
CFLAGS	?= -O2 -g
ALL_CFLAGS = -std=gnu11 $(WARNINGS) $(INCLUDES) -I$(BUILD)/bpf -D_GNU_SOURCE -DSLUICE_VERSION='"$(VERSION)"' \
	     -fstack-protector-strong -fPIE -MMD -MP $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro,-z,now,--as-needed $(LDFLAGS)
MULTIARCH := $(shell $(CC) -print-multiarch)
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -std=gnu11 -Wall -Wextra -Werror -Wshadow -Wundef \
	      -Iinclude -Iheaders -Ibpf -I/usr/include/$(MULTIARCH) -MMD -MP

# `make V=1` shows the commands; otherwise one short line each.
ifneq ($(V),1)
say = @printf '  %-5s %s\n' $(1) $@;
endif
QCC = $(call say,CC)
QBPF = $(call say,BPF)
QSKEL = $(call say,SKEL)
QLINK = $(call say,LINK)
QAR = $(call say,AR)
QMAN = $(call say,MAN)

# What each program is made of, and what it may link.
PROGRAMS := sluiced sluice-prober sluicectl sluice-decap
PARTS_sluiced	   := agent api health alert core dataplane net config wire base
PARTS_sluice-prober := prober wire base
PARTS_sluicectl	   := cli wire base
PARTS_sluice-decap := decap dataplane base
LIBS_sluiced	   := -lxdp -lbpf -lelf -lz -luv -lyaml -ljansson -lsodium -lmnl -lcap-ng
LIBS_sluice-prober := -luv -lcurl -ljansson
LIBS_sluicectl	   := -ljansson
LIBS_sluice-decap  := -lxdp -lbpf -lelf -lz

BPF_PROGRAMS := $(patsubst bpf/%.bpf.c,%,$(wildcard bpf/*.bpf.c))
SKELETONS := $(BPF_PROGRAMS:%=$(BUILD)/bpf/%.skel.h)
PARTS := $(sort $(foreach p,$(PROGRAMS),$(PARTS_$(p))))
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(foreach part,$(1),$(wildcard user/$(part)/*.c)))

all: $(PROGRAMS:%=$(BUILD)/%)

define PROGRAM_RULE
$(BUILD)/$(1): $(call objects,$(PARTS_$(1)))
	$$(QLINK)$$(CC) $$(ALL_CFLAGS) -o $$@ $$^ $$(ALL_LDFLAGS) $$(LIBS_$(1))
endef
$(foreach p,$(PROGRAMS),$(eval $(call PROGRAM_RULE,$(p))))

# ---- BPF programs: object -> skeleton; the same once more with the newer clang, for the tests ----
$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(QBPF)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
$(BUILD)/bpf-new/%.bpf.o: bpf/%.bpf.c
	@mkdir -p $(@D)
	$(QBPF)$(CLANG_NEW) $(BPF_CFLAGS) -c $< -o $@
$(BUILD)/bpf/%.skel.h: $(BUILD)/bpf/%.bpf.o
	$(QSKEL)$(BPFTOOL) gen skeleton $< name $(subst -,_,$*)_bpf > $@.tmp 2> $@.words || { cat $@.words >&2; false; }
	@mv $@.tmp $@ && rm $@.words

$(call objects,dataplane decap): | $(SKELETONS)
$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(QCC)$(CC) $(ALL_CFLAGS) -c $< -o $@

# ---- the manual: its lists come from the tables that the programs are made of (scripts/manual.c) ----
PAGES := $(patsubst docs/%,$(BUILD)/man/%,$(wildcard docs/*.[1-8]))
MANUAL_SOURCES := scripts/manual.c user/agent/options.c user/decap/command.c
$(BUILD)/manual: $(MANUAL_SOURCES:%.c=$(BUILD)/obj/%.o) $(call objects,config wire base)
	$(QLINK)$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LDFLAGS) -lyaml -ljansson
$(BUILD)/man/%: docs/% $(BUILD)/manual
	@mkdir -p $(@D)
	$(QMAN)$(BUILD)/manual < $< > $@
all: $(PAGES)

include tests/Makefile.inc

# ---- what users call ----
demo:
	scripts/install-deps build demo
	$(MAKE) -j$(JOBS) all
	scripts/demo

check:
	scripts/install-deps build demo check kernels
	$(MAKE) -j$(JOBS) run-checks

check-kernels:
	scripts/install-deps build demo check kernels
	$(MAKE) -j$(JOBS) run-kernels

fuzz:
	scripts/install-deps build check
	$(MAKE) -j$(JOBS) run-fuzz

bench:
	scripts/install-deps build check
	$(MAKE) -j$(JOBS) run-bench

install: all
	PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) BUILD=$(BUILD) scripts/dist/install

uninstall:
	PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) BUILD=$(BUILD) scripts/dist/install --uninstall

clean:
	rm -rf $(BUILD)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

help:
	@echo 'make            build everything below $(BUILD)/'
	@echo 'make demo       as root: install what is missing, build, show sluice at work in a lab of namespaces'
	@echo 'make check      as root: install what is missing, build, run every test'
	@echo 'make check-kernels  as root: run what depends on the kernel in other kernels, in QEMU (docs/kernels.md)'
	@echo 'make fuzz       as root: random input for all parsers, and random packets, FUZZ_SECONDS=N each (300)'
	@echo 'make bench      as root: measure the data path against its floors (docs/bench.md)'
	@echo 'make install    PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); make uninstall takes sluice down and removes it'
	@echo 'make format     clang-format'
	@echo 'make clean      remove $(BUILD)/'

.PHONY: all demo check check-kernels fuzz bench install uninstall clean format help
.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
