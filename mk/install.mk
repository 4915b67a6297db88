# Installing, and the tarball of a release. Folders are GNU's, below DESTDIR.
PREFIX ?= /usr/local
# Where the program looks for proxy.ini, whatever PREFIX is.
sysconfdir ?= /etc
bindir ?= $(PREFIX)/bin
datadir ?= $(PREFIX)/share
mandir ?= $(datadir)/man
docdir ?= $(datadir)/doc/openai-chat-proxy
bashdir ?= $(datadir)/bash-completion/completions
zshdir ?= $(datadir)/zsh/site-functions
fishdir ?= $(datadir)/fish/vendor_completions.d
# Of systemd; empty: no units. As in `make install PREFIX=/usr UNITDIR=/usr/lib/systemd/system`.
UNITDIR ?=
INSTALL ?= install
to = $(DESTDIR)$(1)

install: all #: to PREFIX (or bindir, mandir, docdir ...), below DESTDIR; units to UNITDIR
	$(INSTALL) -d $(call to,$(bindir)) $(call to,$(docdir)) $(call to,$(mandir))/man5 \
		$(call to,$(mandir))/man8 $(call to,$(bashdir)) $(call to,$(zshdir)) $(call to,$(fishdir))
	$(INSTALL) -m 755 $(program) $(call to,$(bindir))/
	$(INSTALL) -m 644 README.md LICENSE proxy.ini.example $(call to,$(docdir))/
	$(INSTALL) -m 644 docs/proxy.ini.5 $(call to,$(mandir))/man5/
	$(INSTALL) -m 644 docs/openai-chat-proxy.8 $(call to,$(mandir))/man8/
	$(INSTALL) -m 644 packaging/completion/openai-chat-proxy.bash \
		$(call to,$(bashdir))/openai-chat-proxy
	$(INSTALL) -m 644 packaging/completion/_openai-chat-proxy $(call to,$(zshdir))/
	$(INSTALL) -m 644 packaging/completion/openai-chat-proxy.fish $(call to,$(fishdir))/
	test -d $(call to,$(confdir)) || $(INSTALL) -d $(call to,$(confdir))
	$(INSTALL) -m 644 proxy.ini.example $(call to,$(confdir))/
	$(if $(UNITDIR),$(install_units))
# Open to all: who runs the program without a file must be able to see that none is there. Packages
# with a user for the service close it to others.
confdir = $(sysconfdir)/openai-chat-proxy
define install_units
	$(INSTALL) -d $(call to,$(UNITDIR)) $(call to,$(UNITDIR))/../../sysusers.d \
		$(call to,$(UNITDIR))/../../tmpfiles.d
	sed 's,=/usr/bin/openai-chat-proxy,=$(bindir)/openai-chat-proxy,' \
		packaging/systemd/openai-chat-proxy.service \
		> $(call to,$(UNITDIR))/openai-chat-proxy.service
	chmod 644 $(call to,$(UNITDIR))/openai-chat-proxy.service
	$(INSTALL) -m 644 packaging/systemd/openai-chat-proxy.socket $(call to,$(UNITDIR))/
	$(INSTALL) -m 644 packaging/systemd/openai-chat-proxy.sysusers \
		$(call to,$(UNITDIR))/../../sysusers.d/openai-chat-proxy.conf
	$(INSTALL) -m 644 packaging/systemd/openai-chat-proxy.tmpfiles \
		$(call to,$(UNITDIR))/../../tmpfiles.d/openai-chat-proxy.conf
endef
# What others wrote into the folder of the configuration stays, and the folder with it.
uninstall: #: what `make install` brought, with the same variables
	rm -rf $(call to,$(bindir))/openai-chat-proxy $(call to,$(docdir)) \
		$(call to,$(mandir))/man5/proxy.ini.5 $(call to,$(mandir))/man8/openai-chat-proxy.8 \
		$(call to,$(bashdir))/openai-chat-proxy $(call to,$(zshdir))/_openai-chat-proxy \
		$(call to,$(fishdir))/openai-chat-proxy.fish $(call to,$(confdir))/proxy.ini.example
	-rmdir $(call to,$(confdir)) 2>/dev/null
	$(if $(UNITDIR),rm -f $(patsubst %,$(call to,$(UNITDIR))/%,openai-chat-proxy.service \
		openai-chat-proxy.socket ../../sysusers.d/openai-chat-proxy.conf \
		../../tmpfiles.d/openai-chat-proxy.conf))

# git's archive is sorted and bears the commit's time, and gzip -n adds none: the same commit is
# the same bytes everywhere.
release = openai-chat-proxy-$(VERSION)
dist: #: build/openai-chat-proxy-VERSION.tar.gz of what is committed, and its SBOM (SPDX)
	mkdir -p $(BUILD)
	git -c tar.umask=0022 archive --format=tar --prefix=$(release)/ HEAD | \
		gzip -9n > $(BUILD)/$(release).tar.gz
	sh scripts/install-packages sources
	CACHE=build/cache sh scripts/fetch-debian source build/cache/sources trixie musl mbedtls libinih
	sh scripts/sbom $(BUILD)/$(release).tar.gz build/cache/sources > $(BUILD)/$(release).spdx.json
.PHONY: install uninstall dist
