# The packages and what goes into them: packaging/README.md says what each proof does.
check-packaging: #: lints packaging/
	@packaging/lint
test-packaging: $(program) $(upstream) #: tests of the completions and other scripts of the packages
	$(pytest) tests/packaging
proofs = busybox openrc debian container
prove-packaging: $(proofs:%=prove-%) #: each way to install it, by installing it (as root)
$(proofs:%=prove-%): prove-%: $(program) $(upstream)
	@packaging/$*/prove $(BUILD)
prove-container: static
.PHONY: check-packaging test-packaging prove-packaging $(proofs:%=prove-%)
