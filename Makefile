# openai-chat-proxy: `make` builds build/openai-chat-proxy. The rest: demo test check layers fuzz fuzz-short bench bench-json static test-static
# test-mbedtls-3.6 install uninstall clean.
# A second build beside the first: make BUILD=build/other CC=clang CFLAGS='-O1 -g'
VERSION = 0.1.0
CFLAGS ?= -O2 -g
PREFIX ?= /usr/local
BUILD ?= build
LIBS ?= -lmbedtls -lmbedx509 -lmbedcrypto -linih
FUZZ_TIME ?= 600
# The first Python that has pytest: the one in PATH need not be the system's.
PYTHON ?= $(or $(shell for p in python3 /usr/bin/python3; do $$p -c 'import pytest' 2>/dev/null && echo $$p && break; done),python3)
# epoll on Linux, kqueue elsewhere; kqueue on Linux is for the tests, which bring their own.
POLLER ?= $(if $(filter Linux,$(shell uname -s)),epoll,kqueue)
shim := $(if $(filter Linux-kqueue,$(shell uname -s)-$(POLLER)),tests/kqueue)

flags = -std=c11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith $(WERROR) -pthread \
	-I. $(shim:%=-I%) -D_GNU_SOURCE -DOCP_VERSION='"$(VERSION)"' $(CPPFLAGS) $(CFLAGS)
link = mkdir -p $(@D) && $(CC) $(flags) -MMD -MP -MT $@ -MF $@.d $(LDFLAGS) -o $@ $(filter %.c %.o %.a,$^)
again = +@$(MAKE) --no-print-directory
pytest = @OCP_BINARY=$(abspath $(program)) OCP_UPSTREAM=$(abspath $(upstream)) PYTHONDONTWRITEBYTECODE=1 \
	/usr/bin/env $(PYTHON) -m pytest -q -p no:cacheprovider $(PYTEST_ARGS)

sources := $(filter-out net/poller_%.c json/kernel.c,$(wildcard $(patsubst %,%/*.c,http sse json cfg net proxy))) net/poller_$(POLLER).c $(shim:%=%/kqueue.c)
# json/kernel.c is compiled once for each instruction set worth it, and fast even where the rest is to be small; json/dispatch.c chooses when it runs.
arch := $(shell $(CC) $(CPPFLAGS) $(CFLAGS) -dM -E -xc /dev/null | grep -owE '__x86_64__|__AARCH64EL__')
lanes := portable $(if $(filter __x86_64__,$(arch)),sse2 avx2 avx512) $(if $(filter __AARCH64EL__,$(arch)),neon)
only_avx2 = -mavx2 -mbmi -mbmi2 -mpclmul -mpopcnt
only_avx512 = $(only_avx2) -mavx512f -mavx512bw -mavx512vbmi -mavx512vbmi2
kernels := $(lanes:%=$(BUILD)/json/kernel-%.o)

program = $(BUILD)/openai-chat-proxy
library = $(BUILD)/libocp.a
upstream = $(BUILD)/sample-upstream
unit := $(patsubst %.c,$(BUILD)/tests/%,$(notdir $(wildcard tests/unit/test_*.c $(shim:%=%/test_*.c))))
vpath test_%.c tests/unit tests/kqueue

all: $(program)
programs: $(program) $(upstream) $(unit)
$(program): $(BUILD)/main.o $(library)
	$(link) $(LIBS)
$(library): $(sources:%.c=$(BUILD)/%.o) $(kernels)
	@rm -f $@ && $(AR) rcs $@ $^
$(upstream): $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/upstream/*.c))
	$(link)
$(BUILD)/%.o: %.c $(BUILD)/flags
	mkdir -p $(@D) && $(CC) $(flags) -MMD -MP -c -o $@ $<
$(kernels): $(BUILD)/json/kernel-%.o: json/kernel.c $(BUILD)/flags
	mkdir -p $(@D) && $(CC) $(flags) $(if $(filter -Os -Oz,$(CFLAGS)),-O2) $(only_$*) -DJSON_LANES='"json/lanes_$*.h"' -MMD -MP -c -o $@ $<
$(BUILD)/tests/%: %.c $(library)
	$(link) -lcmocka $(LIBS)
$(BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(library)
	$(link) -fsanitize=fuzzer $(LIBS)
$(BUILD)/fuzz_%: tests/fuzz/fuzz_%.cc $(library)
	mkdir -p $(@D) && $(CXX) -I. $(CFLAGS) -fsanitize=fuzzer -o $@ $^
# Changes when a flag does, so that no build mixes objects of two kinds.
$(BUILD)/flags: export FLAGS = $(CC) $(flags) $(LDFLAGS) $(LIBS)
$(BUILD)/flags: always
	@mkdir -p $(@D); echo "$$FLAGS" | cmp -s - $@ || echo "$$FLAGS" > $@
-include $(shell find $(BUILD) -type f -name '*.d' 2>/dev/null)

demo: $(program) $(upstream)
	@exec env BUILD=$(BUILD) sh scripts/run-demo
# One after the other even with -j: some tests watch memory and time.
define each
	$(again) $(1) unit
	$(again) $(1) blackbox
endef
test:
	$(call each)
	$(again) sdk
	$(again) kqueue
unit: $(unit)
	@failed=; for t in $^; do $$t || failed="$$failed $$t"; done; test -z "$$failed" || { echo "failed:$$failed"; exit 1; }
blackbox: $(program) $(upstream)
	$(pytest) tests/blackbox
sdk: $(program) $(upstream)
	$(pytest) tests/sdk
kqueue:
	$(call each,BUILD=$(BUILD)/kqueue POLLER=kqueue PYTEST_ARGS='$(foreach t,syscalls memory instructions,--ignore=tests/blackbox/test_$t.py)')
check: layers manuals tidy sanitize
sanitize:
	$(call each,BUILD=$(BUILD)/asan CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all')
tidy: export FLAGS = $(flags)
tidy:
	@sh scripts/static-analysis main.c json/kernel.c $(sources)
layers:
	@sh scripts/check-layers
manuals:
	@mandoc -T lint -W warning docs/*.[58] && echo 'manuals: nothing to say'
fuzz:
	$(again) BUILD=$(BUILD)/fuzz CC=clang CXX=clang++ CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' FUZZ_TIME=$(FUZZ_TIME) run-fuzz
fuzz-short:
	$(again) FUZZ_TIME=5 fuzz
run-fuzz: $(patsubst tests/fuzz/%,$(BUILD)/%,$(basename $(wildcard tests/fuzz/fuzz_*.c tests/fuzz/fuzz_*.cc)))
	@FUZZ_TIME=$(FUZZ_TIME) sh scripts/run-fuzz $^
bench: $(program)
	@sh scripts/install-packages bench
	@python3 -B bench/gateway/run.py $(BENCH_ARGS) $(BUILD)
bench-json: $(BUILD)/bench-json
	@$< $(ROUNDS)
$(BUILD)/bench-json: bench/json/bench.cc $(patsubst %.c,$(BUILD)/%.o,$(filter json/%,$(sources))) $(kernels)
	mkdir -p $(@D) && $(CXX) -std=c++17 -D_GNU_SOURCE -I. $(CFLAGS) -o $@ $^ -lsimdjson

# Our own mbedTLS 3.6: a static binary with TLS 1.3 whatever the distribution has, and the tests against it where that is 2.28.
mbedtls = $(abspath $(BUILD))/mbedtls-3.6
$(mbedtls)/done: scripts/build-mbedtls scripts/mbedtls-config.h
	sh scripts/build-mbedtls $(mbedtls)
static := BUILD=$(BUILD)/static CC=musl-gcc CFLAGS='-Os -g -ffunction-sections -fdata-sections' CPPFLAGS=-I$(mbedtls)/musl/include \
	LDFLAGS='-static -Wl,--gc-sections -L$(mbedtls)/musl/lib'
static: $(mbedtls)/done
	$(again) $(static) all
test-static: $(mbedtls)/done
	$(again) $(static) blackbox
test-mbedtls-3.6: $(mbedtls)/done
	$(call each,BUILD=$(BUILD)/tls36 CPPFLAGS=-I$(mbedtls)/gcc/include LDFLAGS=-L$(mbedtls)/gcc/lib)

share = $(DESTDIR)$(PREFIX)/share
docs = $(share)/doc/openai-chat-proxy
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(docs) $(share)/man/man5 $(share)/man/man8
	install -m 755 $(program) $(DESTDIR)$(PREFIX)/bin/
	install -m 644 README.md LICENSE proxy.ini.example $(docs)/
	install -m 644 docs/proxy.ini.5 $(share)/man/man5/
	install -m 644 docs/openai-chat-proxy.8 $(share)/man/man8/
uninstall:
	rm -rf $(DESTDIR)$(PREFIX)/bin/openai-chat-proxy $(docs) $(share)/man/man5/proxy.ini.5 $(share)/man/man8/openai-chat-proxy.8
clean:
	rm -rf $(BUILD)
always:
.PHONY: all programs demo test unit blackbox sdk kqueue check sanitize tidy layers manuals fuzz fuzz-short run-fuzz bench bench-json static test-static test-mbedtls-3.6 install uninstall clean always
