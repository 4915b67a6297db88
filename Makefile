# openai-chat-proxy: `make` builds build/openai-chat-proxy, `make help` lists the rest.
# A second build beside the first: make BUILD=build/other CC=clang CFLAGS='-O1 -g'
VERSION = 0.1.0
BUILD ?= build
CFLAGS ?= -O2 -g
# no: without the flags that make an attacker's work harder.
HARDEN ?= yes
# epoll on Linux, kqueue elsewhere; kqueue on Linux is for the tests, which bring their own.
POLLER ?= $(if $(filter Linux,$(system)),epoll,kqueue)
PKG_CONFIG ?= pkg-config
# What confines a process that serves: linux, openbsd or none. A sanitizer looks into processes at
# their end, and a profile is written to files: no sandbox lets them.
SANDBOX ?= $(if $(strip $(foreach f,-fsanitize --coverage -fprofile,\
	$(findstring $(f),$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS)))),none,$(or \
	$(if $(filter Linux,$(system)),linux),$(if $(filter OpenBSD,$(system)),openbsd),none))

system := $(shell uname -s)
again = +@$(MAKE) --no-print-directory
shim := $(if $(filter Linux-kqueue,$(system)-$(POLLER)),tests/kqueue)
# These goals compile nothing, so they do not ask the compiler either.
compiles := $(filter-out clean dist format help layers manuals uninstall,\
	$(or $(MAKECMDGOALS),all))

all: #: the program
programs: #: the program, the sample upstream and all unit tests

include mk/flags.mk

rooms = base http sse json cfg net log upstream proxy server
sources := $(filter-out net/poller_%.c server/sandbox_%.c json/kernel.c,\
	$(wildcard $(rooms:%=%/*.c))) net/poller_$(POLLER).c $(shim:%=%/kqueue.c) \
	$(wildcard server/sandbox_$(SANDBOX).c server/sandbox_$(SANDBOX)_*.c)
# json/kernel.c is compiled once for each instruction set worth it, and fast even where the rest
# is to be small; json/dispatch.c chooses when it runs.
arch := $(if $(compiles),$(shell $(CC) $(CPPFLAGS) $(CFLAGS) -dM -E -xc /dev/null | \
	grep -owE '__x86_64__|__AARCH64EL__'))
lanes := portable $(if $(filter __x86_64__,$(arch)),sse2 avx2 avx512) \
	$(if $(filter __AARCH64EL__,$(arch)),neon)
only_avx2 = -mavx2 -mbmi -mbmi2 -mpclmul -mpopcnt
only_avx512 = $(only_avx2) -mavx512f -mavx512bw -mavx512vbmi -mavx512vbmi2
kernels := $(lanes:%=$(BUILD)/json/kernel-%.o)
# The page that is served at /status, as C.
page := $(BUILD)/proxy/status_page
objects := $(sources:%.c=$(BUILD)/%.o) $(kernels) $(page).o
sample := $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/upstream/*.c))
unit := $(patsubst %.c,$(BUILD)/tests/%,\
	$(notdir $(wildcard tests/unit/test_*.c $(shim:%=%/test_*.c))))
vpath test_%.c tests/unit tests/kqueue

program = $(BUILD)/openai-chat-proxy
library = $(BUILD)/libocp.a
upstream = $(BUILD)/sample-upstream

all: $(program)
programs: $(program) $(upstream) $(unit)
$(program): $(BUILD)/main.o $(library)
	$(link) $(LIBS)
$(library): $(objects)
	@rm -f $@ && $(AR) rcs $@ $^
$(upstream): $(sample)
	$(link)
$(BUILD)/tests/%: %.c $(library)
	$(link) -lcmocka $(LIBS)
$(BUILD)/%.o: %.c $(BUILD)/flags
	$(compile) -c -o $@ $<
$(kernels): $(BUILD)/json/kernel-%.o: json/kernel.c $(BUILD)/flags
	$(compile) $(if $(filter -Os -Oz,$(CFLAGS)),-O2) $(only_$*) \
		-DJSON_LANES='"json/lanes_$*.h"' -c -o $@ $<
$(page).o: $(page).c $(BUILD)/flags
	$(compile) -c -o $@ $<
$(page).c: proxy/status.html scripts/embed-page
	@mkdir -p $(@D); sh scripts/embed-page $< > $@.new && mv $@.new $@
# Changes when a flag does, so that no build mixes objects of two kinds.
$(BUILD)/flags: export FLAGS = $(SANDBOX) $(CC) $(flags) $(ldflags) $(LIBS)
$(BUILD)/flags: always
	@mkdir -p $(@D); echo "$$FLAGS" | cmp -s - $@ || echo "$$FLAGS" > $@
-include $(patsubst %.o,%.d,$(BUILD)/main.o $(objects) $(sample)) $(unit:=.d)

include mk/tests.mk mk/stress.mk mk/fuzz.mk mk/bench.mk mk/mbedtls.mk mk/install.mk mk/packaging.mk

demo: $(program) $(upstream) #: a streamed completion through the proxy, on port 8000
	@exec env BUILD=$(BUILD) sh scripts/run-demo
help: #: this list
	@sed -n 's/^\([a-z][^:=]*\):.* *#: \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
clean: #: everything that was built
	rm -rf $(BUILD)
always:
.PHONY: all programs demo help clean always
