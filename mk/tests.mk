# The tests and the checks.
# The first Python that has pytest, with pytest-xdist if one has it: the one in PATH need not be the
# system's.
PYTHON ?= $(or $(shell for m in pytest,xdist pytest; do for p in python3 /usr/bin/python3; do \
	$$p -c "import $$m" 2>/dev/null && echo $$p && exit; done; done),python3)
pytest = @OCP_BINARY=$(abspath $(program)) OCP_UPSTREAM=$(abspath $(upstream)) \
	PYTHON=$(PYTHON) sh scripts/run-pytest $(PYTEST_ARGS)
# The tests that the poller can break.
poller_unit = $(BUILD)/tests/test_net $(BUILD)/tests/test_kqueue
poller_files = $(patsubst %,tests/blackbox/test_%.py,upstream gone workers stream body tls)

test: #: unit tests, black-box tests, anomalies, the SDK, and kqueue over a shim
	$(again) unit
	$(again) blackbox
	$(again) anomalies-short
	$(again) sdk
	$(again) kqueue
unit: $(unit) #: the unit tests
	$(call run_unit,$^)
blackbox: $(program) $(upstream) #: the tests of the binary (PYTEST_ARGS='-k name')
	$(pytest) tests/blackbox
anomalies: export OCP_ANOMALIES = all
anomalies: $(program) #: each call of an exchange, a reload and a start fails once: 15 minutes
	$(pytest) -rP tests/anomaly
anomalies-short: $(program) #: some of them, others each day
	$(pytest) tests/anomaly
sdk: $(program) $(upstream) #: the tests with the official openai client
	$(pytest) tests/sdk
test-page: $(program) $(upstream) #: the page at /status in Chromium (OCP_PICTURES= keeps pictures)
	$(pytest) tests/page
kqueue: #: the tests that the poller can break, over a shim of kqueue
	$(again) BUILD=$(BUILD)/kqueue POLLER=kqueue run-kqueue
run-kqueue: $(poller_unit) $(program) $(upstream)
	$(call run_unit,$(poller_unit))
	$(pytest) $(poller_files)
define run_unit
	@failed=; for t in $(1); do $$t || failed="$$failed $$t"; done; \
		test -z "$$failed" || { echo "failed:$$failed"; exit 1; }
endef

check: layers format manuals tidy stack sanitize #: the checks of the text, and the sanitizers
asan = BUILD=$(BUILD)/asan CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address \
	-fsanitize=undefined -fno-sanitize-recover=all'
sanitize: #: all tests under the address and undefined-behaviour sanitizers
	$(again) $(asan) unit
	$(again) $(asan) blackbox
coverage: #: how many lines of our own code these and the anomalies run, by gcov
	$(again) BUILD=$(BUILD)/coverage HARDEN=no CC=gcc CFLAGS='-O0 -g --coverage \
		-fprofile-update=atomic' run-coverage
# Whoever a worker has become adds to the counts. They are printed even if a test fails.
run-coverage: programs
	@find $(BUILD) -name '*.gcda' -delete
	@umask 0; failed=; for t in unit blackbox anomalies-short; do \
		$(MAKE) --no-print-directory $$t || failed="$$failed $$t"; done; \
		$(PYTHON) scripts/coverage $(COVERAGE_ARGS) $(BUILD) && test -z "$$failed"
test-sandbox: #: the black-box tests, where a system call that the sandbox does not know kills
	$(again) BUILD=$(BUILD)/sandbox CPPFLAGS='$(CPPFLAGS) -DSANDBOX_UNKNOWN_KILLS' blackbox
tidy: export FLAGS = $(flags)
tidy: #: clang-tidy, gcc -fanalyzer and cppcheck
	@sh scripts/static-analysis main.c json/kernel.c $(sources)
stack: #: that nothing calls itself, and how much stack the program needs
	$(again) BUILD=$(BUILD)/stack CC=gcc CFLAGS='-O2 -fcallgraph-info=su' check-stack
# The table of calls through pointers is that of x86-64 and epoll.
check-stack: $(program)
	@test "$(arch)" = __x86_64__ || { echo 'stack: checked on x86-64 alone'; exit; }; \
		$(PYTHON) scripts/check-stack scripts/indirect-calls 32768 $(BUILD)/main.o $(objects) && \
		sh tests/scripts/check-stack
layers: #: who includes whom
	@sh scripts/check-layers && sh tests/scripts/check-layers
format: #: clang-format, and no line over 100 columns
	@sh scripts/check-format
manuals: #: the manual pages, and what the other pages name
	@mandoc -T lint -W warning docs/*.[58] && sh scripts/settings-md --check && \
		sh scripts/check-docs && sh tests/scripts/docs && echo 'manuals: nothing to say'
.PHONY: test coverage run-coverage test-sandbox unit blackbox anomalies anomalies-short sdk \
	test-page kqueue \
	run-kqueue check sanitize tidy stack check-stack layers format manuals
