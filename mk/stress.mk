# Load that hurts, and a soak: long runs on purpose, with a short form of each for CI.
STRESS_SCALE ?= 1
SOAK_TIME ?= 1800
attack = $(BUILD)/attack
bench_upstream = $(BUILD)/bench-upstream

stress: $(program) $(attack) $(bench_upstream) #: clients that hurt (STRESS_SCALE= of 1)
	$(stress_env) $(run_stress) tests/stress/test_stress.py
stress-short: #: the same with a fiftieth of the clients
	$(again) STRESS_SCALE=0.02 stress
soak: $(program) $(upstream) #: mixed traffic with faults at random (SOAK_TIME= seconds, SOAK_SEED=)
	@SOAK_TIME=$(SOAK_TIME) $(run_stress) tests/stress/test_soak.py
soak-short: #: the same, 20 seconds
	$(again) SOAK_TIME=20 soak
soak-asan: #: the soak under the sanitizers
	$(again) $(asan) SOAK_TIME=$(SOAK_TIME) soak
$(attack): tests/stress/attack.c bench/gateway/delays.h
	mkdir -p $(@D) && $(CC) -std=c11 $(warnings) -D_GNU_SOURCE -I. -O2 -g -o $@ $<
$(bench_upstream): bench/gateway/upstream.c
	mkdir -p $(@D) && $(CC) -std=c11 $(warnings) -D_GNU_SOURCE -I. -O2 -g -o $@ $<
stress_env = @STRESS_SCALE=$(STRESS_SCALE) OCP_ATTACK=$(abspath $(attack)) \
	OCP_BENCH_UPSTREAM=$(abspath $(bench_upstream))
run_stress = OCP_BINARY=$(abspath $(program)) OCP_UPSTREAM=$(abspath $(upstream)) \
	PYTHON=$(PYTHON) TEST_JOBS=1 sh scripts/run-pytest -s $(PYTEST_ARGS)
.PHONY: stress stress-short soak soak-short soak-asan
