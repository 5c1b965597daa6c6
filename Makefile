# Governor's one Makefile. `make help` lists the targets from their own `##` notes.
#
# A .c file in a room is found by its place and needs no edit here:
#   audit/*.c              -> libgovaudit.a   stands alone
#   watchdog/ROOM/*.c      -> libgovernor.a   every room but those of other programs
#   watchdog/*.c           -> governord
#   watchdog/govctl/*.c    -> govctl
#   watchdog/courier/*.c   -> governor-courier, which alone is linked with libcurl
#   watchdog/canary/*.c    -> governor-canary
#   watchdog/run/*.c       -> governor-run
#   tests/TIER/test_*.c    -> one program each; the other .c files of a tier are linked into all of its programs,
#   tests/*.c              -> into those that need them
#
# B is where everything goes. Each other compiler or sanitizer has its own: `make CC=clang B=build/clang`.

VERSION := 0.1.0
B       ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
TESTBED ?= /var/cache/governor-testbed
FUZZ_SECONDS ?= 600
CORPUS_SECONDS ?= 10

ifeq ($(origin CC),default)
CC      := gcc
endif
CFLAGS  ?= -O2 -g
WERROR  ?= -Werror
SAN     ?=

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-builtin-rules --no-print-directory
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

# ---- what there is --------------------------------------------------------------------------------------------------

audit_src    := $(wildcard audit/*.c)
govctl_src   := $(wildcard watchdog/govctl/*.c)
courier_src  := $(wildcard watchdog/courier/*.c)
canary_src   := $(wildcard watchdog/canary/*.c)
run_src      := $(wildcard watchdog/run/*.c)
room_src     := $(filter-out $(govctl_src) $(courier_src) $(canary_src) $(run_src),$(wildcard watchdog/*/*.c))
governord_src := $(wildcard watchdog/*.c)
src          := $(audit_src) $(room_src) $(governord_src) $(govctl_src) $(courier_src) $(canary_src) $(run_src)
headers      := $(wildcard audit/*.h watchdog/*.h watchdog/*/*.h tests/*.h tests/*/*.h)
tests_src    := $(wildcard tests/*.c tests/*/*.c)

# A file that has a main() is a program; it never goes into a library.
mains        := $(shell grep -lE '^int main\b' /dev/null $(src) $(tests_src))

objects_of = $(patsubst %.c,$(B)/%.o,$(1))
audit_lib     := $(B)/libgovaudit.a
room_lib      := $(B)/libgovernor.a
governord_lib := $(B)/libgovernord.a
govctl_lib    := $(B)/libgovctl.a
courier_lib   := $(B)/libgovcourier.a
canary_lib    := $(B)/libgovcanary.a
run_lib       := $(B)/libgovrun.a
world_lib     := $(B)/libgovworld.a

programs := $(if $(filter watchdog/governord.c,$(governord_src)),$(B)/bin/governord) \
            $(if $(govctl_src),$(B)/bin/govctl) $(if $(courier_src),$(B)/bin/governor-courier) \
            $(if $(canary_src),$(B)/bin/governor-canary) $(if $(run_src),$(B)/bin/governor-run)

tests_of   = $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/$(1)/test_*.c) $(filter tests/$(1)/%,$(mains))))
unit_tests  := $(call tests_of,unit)
trace_tests := $(call tests_of,trace)
sim_tests   := $(call tests_of,sim)
fuzzers     := $(patsubst %.c,$(B)/%,$(wildcard tests/fuzz/fuzz_*.c))
live_tests  := $(sort $(wildcard tests/live/test_*.sh))

# ---- flags ----------------------------------------------------------------------------------------------------------

libraries := libsystemd sqlite3 libsodium jansson yaml-0.1
courier_libraries := libcurl

warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith \
            -Wformat=2 -Wundef -Wvla -Wwrite-strings -Wimplicit-fallthrough -Wdate-time -Wredundant-decls \
            -Wno-unused-parameter -Wno-missing-field-initializers

# Tried one by one on this compiler and machine, kept when they work.
tried := -Wlogical-op -Wduplicated-cond -Wstrict-flex-arrays -fstack-clash-protection -fcf-protection=full \
         -mbranch-protection=standard

hardening      := -fstack-protector-strong -fPIE
hardening_link := -pie -Wl,-z,relro,-z,now,-z,noexecstack
ifeq ($(SAN),)
hardening += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else
sanitize  := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -DGOVERNOR_SANITIZED=1
endif

own_cppflags = -D_GNU_SOURCE -I. -Iwatchdog -Itests
own_cflags   = -std=gnu17 $(warnings) $(WERROR) $(hardening) $(TRIED) $(sanitize) -ffunction-sections -fdata-sections
own_ldflags  = $(hardening_link) -Wl,--gc-sections -Wl,--as-needed $(sanitize)
compile      = $(CC) $(own_cppflags) $(CPPFLAGS) $(LIBRARY_CFLAGS) $(own_cflags) $(CFLAGS) -MMD -MP
link         = $(CC) $(own_cflags) $(CFLAGS) $(own_ldflags) $(LDFLAGS)

# Goals that only start other makes or scripts: they must work before there is a compiler.
drivers := help setup check demo run clean uninstall fuzz corpora asan cover
ifneq ($(filter-out $(drivers),$(or $(MAKECMDGOALS),all)),)
-include $(B)/config.mk
endif

$(B)/config.mk: Makefile
	@mkdir -p $(B)
	@pkg-config --exists --print-errors $(libraries) $(courier_libraries) || { \
		echo "A library that Governor builds with is missing. Type: make setup" >&2; exit 1; }
	@{ echo "LIBRARY_CFLAGS := $$(pkg-config --cflags $(libraries) $(courier_libraries))"; \
	   echo "LIBRARY_LIBS := $$(pkg-config --libs $(libraries))"; \
	   echo "COURIER_LIBS := $$(pkg-config --libs $(courier_libraries))"; \
	   echo "CMOCKA_LIBS := $$(pkg-config --libs cmocka 2>/dev/null || echo -lcmocka)"; \
	   printf 'TRIED :='; \
	   for flag in $(tried); do \
		! echo 'int main(void){return 0;}' | $(CC) -Werror $$flag -x c - -o /dev/null 2>/dev/null || printf ' %s' $$flag; \
	   done; echo; } >$@.new
	@mv $@.new $@

# What objects were compiled with: a change of flags compiles them again.
flags_now = $(compile) $(link)
$(B)/flags: always
	@mkdir -p $(B)
	@echo '$(subst ','\'',$(flags_now))' | cmp -s - $@ || echo '$(subst ','\'',$(flags_now))' >$@

# The version is known to just the files that print it, so that a commit does not compile the world again.
version   := $(VERSION)$(shell git describe --always --dirty --match='v[0-9]*' 2>/dev/null | sed 's/^/+/; s/^+v$(VERSION)//')
versioned := $(shell grep -l GOVERNOR_VERSION /dev/null $(src) $(tests_src))
$(B)/version: always
	@mkdir -p $(B)
	@echo '$(version)' | cmp -s - $@ || echo '$(version)' >$@
$(call objects_of,$(versioned)): $(B)/version
$(call objects_of,$(versioned)): private own_cppflags += -DGOVERNOR_VERSION='"$(version)"'

# ---- building -------------------------------------------------------------------------------------------------------

all: $(programs) $(governord_lib) $(govctl_lib) $(courier_lib) $(canary_lib) $(run_lib) $(room_lib) $(audit_lib) ## build the programs into build/bin/ (the default)

$(B)/%.o: %.c $(B)/flags
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(compile) -c -o $@ $<

define archive
	@mkdir -p $(@D)
	@rm -f $@
	@ar rcs $@ $(filter %.o,$^)
endef

$(audit_lib): $(call objects_of,$(filter-out $(mains),$(audit_src)))
	$(archive)
$(room_lib): $(call objects_of,$(filter-out $(mains),$(room_src)))
	$(archive)
$(governord_lib): $(call objects_of,$(filter-out $(mains),$(governord_src)))
	$(archive)
$(govctl_lib): $(call objects_of,$(filter-out $(mains),$(govctl_src)))
	$(archive)
$(courier_lib): $(call objects_of,$(filter-out $(mains),$(courier_src)))
	$(archive)
$(canary_lib): $(call objects_of,$(filter-out $(mains),$(canary_src)))
	$(archive)
$(run_lib): $(call objects_of,$(filter-out $(mains),$(run_src)))
	$(archive)
$(world_lib): $(call objects_of,$(wildcard tests/*.c))
	$(archive)

define link_program
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(link) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBRARY_LIBS) $(LIBS)
endef

$(B)/bin/governord: $(call objects_of,watchdog/governord.c) $(governord_lib) $(room_lib) $(audit_lib)
	$(link_program)
$(B)/bin/govctl: $(call objects_of,$(filter $(mains),$(govctl_src))) $(govctl_lib) $(room_lib) $(audit_lib)
	$(link_program)
$(B)/bin/governor-courier: $(call objects_of,$(filter $(mains),$(courier_src))) $(courier_lib) $(room_lib)
	$(link_program)
$(B)/bin/governor-courier: private LIBS = $(COURIER_LIBS)
$(B)/bin/governor-canary: $(call objects_of,$(filter $(mains),$(canary_src))) $(canary_lib) $(room_lib)
	$(link_program)
$(B)/bin/governor-run: $(call objects_of,$(filter $(mains),$(run_src))) $(run_lib) $(room_lib)
	$(link_program)

# A test program: its own object, the helpers of its tier, whatever it needs of the whole house.
define test_program
$(1): $(1).o $(call objects_of,$(filter-out $(mains) tests/$(2)/test_%.c tests/$(2)/fuzz_%.c,$(wildcard tests/$(2)/*.c))) \
      $(world_lib) $(governord_lib) $(govctl_lib) $(courier_lib) $(canary_lib) $(run_lib) $(room_lib) $(audit_lib)
	$$(link_program)
endef
$(foreach tier,unit trace sim live vm,$(foreach test,$(call tests_of,$(tier)),$(eval $(call test_program,$(test),$(tier)))))
$(foreach test,$(fuzzers),$(eval $(call test_program,$(test),fuzz)))

# These play a disk that loses power or fails: what they do to files goes through tests/disk/.
$(addprefix $(B)/tests/unit/test_,audit_power audit_failing vault_power restore_power guard_seal_power): $(call objects_of,$(wildcard tests/disk/*.c))

$(unit_tests) $(trace_tests) $(sim_tests): private LIBS = $(CMOCKA_LIBS) $(COURIER_LIBS)
$(fuzzers): private LIBS = -fsanitize=fuzzer

# ---- tests ----------------------------------------------------------------------------------------------------------

run_tests = @B=$(B) TESTBED=$(TESTBED) tests/runner.sh $(1) $(2)

quick: all unit trace lint ## unit, trace and lint: no root, no network

check: ## setup, build and every test there is; the last line counts them
	@TESTBED=$(TESTBED) tests/check.sh

unit: $(unit_tests) ## cmocka tests of single modules
	$(call run_tests,unit,$(unit_tests))

trace: $(trace_tests) ## scripted worlds and their exact timelines
	$(call run_tests,trace,$(trace_tests))

sim: $(sim_tests) ## random lives of the judge, invariants checked at each step
	$(call run_tests,sim,$(sim_tests))

lint: all ## rooms, purity, format, shell, man pages, names
	$(call run_tests,lint,$(sort $(wildcard tests/lint/check-* tests/lint/test_*.sh)))

# One build for the sanitizers and the fuzzers: nearly all of it is the same.
fuzz_build := B=build/fuzz CC=clang SAN=address,undefined,fuzzer-no-link CFLAGS='-O1 -g'

asan: ## unit and trace under AddressSanitizer and UBSan, in build/fuzz
	@$(MAKE) $(fuzz_build) unit trace

fuzz: ## each fuzzer for FUZZ_SECONDS (600), in build/fuzz
	@$(MAKE) $(fuzz_build) FUZZ_SECONDS=$(FUZZ_SECONDS) fuzz-here

corpora: ## each fuzzer over its corpus and 10 s more
	@$(MAKE) $(fuzz_build) FUZZ_SECONDS=$(CORPUS_SECONDS) fuzz-here

fuzz-here: $(fuzzers)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) B=$(B) tests/runner.sh fuzz $(fuzzers)

live: all $(call tests_of,live) ## the programs on real systemd and PM2 in containers (root)
	$(call run_tests,live,$(live_tests))

vm: all $(call tests_of,vm) ## the programs on Debian's own kernel in QEMU
	$(call run_tests,vm,$(sort $(wildcard tests/vm/test_*.sh)))

matrix: all $(call tests_of,live) ## every file attack as root, owner and stranger on five file systems (root)
	$(call run_tests,matrix,$(sort $(wildcard tests/matrix/test_*.sh)))

bench: all $(call tests_of,live) ## what watching, drift, evidence and guarding cost, what guards stop (BENCH=drift: just that)
	@B=$(B) TESTBED=$(TESTBED) tests/bench/run.sh $(BENCH)

# ---- the machine ----------------------------------------------------------------------------------------------------

setup: ## install what building and tests need (root or sudo); nothing to do the second time
	@TESTBED=$(TESTBED) tests/setup.sh

run: ## govern this machine in the foreground in observe mode (FOR=20s ends by itself)
	@$(MAKE) setup
	@$(MAKE) all
	@B=$(B) FOR='$(FOR)' units/foreground.sh

demo: ## the founding incident, played by real systemd and PM2 in a container
	@$(MAKE) setup
	@$(MAKE) all
	@B=$(B) TESTBED=$(TESTBED) tests/live/demo.sh

installing = @B=$(B) VERSION='$(VERSION)' DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' PURGE='$(PURGE)' units/install.sh

install: all ## into DESTDIR and PREFIX (/usr/local); starts nothing
	$(installing) install

uninstall: ## take back what install put there and what Governor left; keeps the evidence unless PURGE=yes
	$(installing) uninstall

# ---- the rest -------------------------------------------------------------------------------------------------------

format: ## lay out all C with clang-format
	@clang-format -i $(src) $(headers) $(tests_src)

tidy: compile_commands.json ## clang-tidy over all sources
	@clang-tidy --quiet -p . $(src)

cover: ## line coverage of the unit and trace tests, in build/cover
	@$(MAKE) B=build/cover CFLAGS='-O0 -g --coverage' unit trace
	@cd build/cover && find . -name '*.gcda' -path '*watchdog*' -o -name '*.gcda' -path '*audit*' | \
		xargs gcov -rn 2>/dev/null | awk '/^File/ { file = $$2 } /^Lines/ { print substr($$2, 10), file }' | sort -n

compile_commands.json: Makefile ## for clangd and clang-tidy
	@sep='['; for file in $(src) $(tests_src); do \
		printf '%s\n{"directory":"%s","file":"%s","command":"%s"}' "$$sep" '$(CURDIR)' "$$file" \
		"clang $(own_cppflags) -DGOVERNOR_VERSION='\\\"0\\\"' $(LIBRARY_CFLAGS) -std=gnu17 $(warnings) -c $$file"; sep=,; \
	done >$@; echo ']' >>$@

clean: ## remove build/
	@rm -rf build compile_commands.json

help: ## this list
	@awk -F ':.*## ' '/^[a-z_.-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

always:
.PHONY: all always quick check unit trace sim lint asan fuzz corpora fuzz-here live vm matrix bench setup run demo \
        install uninstall format tidy cover clean help

-include $(patsubst %.c,$(B)/%.d,$(src) $(tests_src))
