# mbedTLS 3.6 whatever the distribution has: in the static binary, and for the tests against it
# where that is 2.28. pkg-config would only know the distribution's.
mbedtls = $(abspath $(BUILD))/mbedtls-3.6
$(mbedtls)/done: scripts/build-mbedtls
	sh scripts/build-mbedtls $(mbedtls)
tls36_build = BUILD=$(BUILD)/tls36 PKG_CONFIG=false CPPFLAGS=-I$(mbedtls)/include \
	LDFLAGS=-L$(mbedtls)/lib
# The tests that the library can break. The static binary has 3.6, too, and passes all of them.
tls_files = $(patsubst %,tests/blackbox/test_%.py,tls outgoing pass gone workers sandbox memory \
	memory_secrets faults)
# What is shipped, for a CPU of packaging/cpus, by default this machine's.
STATIC_CPU ?= $(shell uname -m)

static: #: the static binary, as a release has it (STATIC_CPU=)
	packaging/build $(STATIC_CPU)
test-static: program = build/static/$(STATIC_CPU)/openai-chat-proxy
test-static: static $(upstream) #: the black-box tests of the static binary
	$(pytest) tests/blackbox
test-mbedtls-3.6: $(mbedtls)/done #: what the library can break, with mbedTLS 3.6
	$(again) $(tls36_build) unit
	$(again) $(tls36_build) run-tls
run-tls: $(program) $(upstream)
	$(pytest) $(tls_files)
.PHONY: static test-static test-mbedtls-3.6 run-tls
