# The fuzz targets, of libFuzzer: `make fuzz`, each for FUZZ_TIME seconds.
FUZZ_TIME ?= 600
fuzzers := $(patsubst tests/fuzz/%,$(BUILD)/%,\
	$(basename $(wildcard tests/fuzz/fuzz_*.c tests/fuzz/fuzz_*.cc)))

$(BUILD)/fuzz_%: tests/fuzz/fuzz_%.c $(library)
	$(link) -fsanitize=fuzzer $(LIBS)
$(BUILD)/fuzz_%: tests/fuzz/fuzz_%.cc $(library)
	mkdir -p $(@D) && $(CXX) -I. $(CFLAGS) -MMD -MP -MT $@ -MF $@.d -fsanitize=fuzzer $(ldflags) \
		-o $@ $(filter %.cc %.o,$^) $(filter %.a,$^) $(LIBS)
-include $(fuzzers:=.d)

# The whole exchange stands on a kernel of its own.
exchange := $(patsubst %,$(BUILD)/%.o,\
	$(basename $(wildcard tests/fuzz/exchange/*.c tests/fuzz/exchange/*.cc)))
exchange_calls := clock_gettime close connect fcntl getrandom getsockopt ioctl pipe2 read recv \
	send sendmsg setsockopt shutdown socket splice time
# What the program does is worth an input and is watched, and not what the test does.
unwatched := -fno-sanitize=all -O2
$(BUILD)/fuzz_exchange: $(exchange)
$(BUILD)/fuzz_exchange: private ldflags += $(exchange_calls:%=-Wl,--wrap=%)
$(BUILD)/%.o: %.cc $(BUILD)/flags
	mkdir -p $(@D) && $(CXX) -I. $(CFLAGS) $(unwatched) -MMD -MP -c -o $@ $<
-include $(exchange:.o=.d)

fuzz: #: the fuzz targets, ten minutes each (FUZZ_TIME= seconds)
	$(again) BUILD=$(BUILD)/fuzz CC=clang CXX=clang++ FUZZ_TIME=$(FUZZ_TIME) CFLAGS='-O1 -g \
		-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' run-fuzz
fuzz-short: #: the same, five seconds each, from one seed
	$(again) FUZZ_TIME=5 FUZZ_SEED=1 fuzz
run-fuzz: $(fuzzers)
	@FUZZ_TIME=$(FUZZ_TIME) FUZZ_SEED=$(FUZZ_SEED) sh scripts/run-fuzz $^
fuzz-oracles: #: that fuzz_exchange finds each of the planted faults (ORACLE_RUNS= inputs)
	@sh tests/scripts/fuzz-oracles $(BUILD)/oracles $(ORACLES)
.PHONY: fuzz fuzz-short run-fuzz fuzz-oracles
