# What a request costs beside other proxies, and the renamer beside other JSON libraries.
bench: $(program) #: the proxy beside nginx, HAProxy and a relay (BENCH_ARGS=)
	@sh scripts/install-packages bench
	@python3 -B bench/gateway/run.py $(BENCH_ARGS) $(BUILD)
bench-clients: $(program) #: TLS for clients beside nginx and HAProxy (BENCH_ARGS=)
	@sh scripts/install-packages bench
	@python3 -B bench/gateway/clients.py $(BENCH_ARGS) $(BUILD)
bench-json: $(BUILD)/bench-json #: the renamer beside simdjson and RapidJSON (ROUNDS=)
	@$< $(ROUNDS)
$(BUILD)/bench-json: bench/json/bench.cc $(filter $(BUILD)/base/% $(BUILD)/json/%,$(objects))
	mkdir -p $(@D) && $(CXX) -std=c++17 -D_GNU_SOURCE -I. $(CFLAGS) -MMD -MP -MT $@ -MF $@.d \
		-o $@ $(filter %.cc %.o,$^) -lsimdjson
-include $(BUILD)/bench-json.d
.PHONY: bench bench-clients bench-json
