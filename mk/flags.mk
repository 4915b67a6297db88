# What the compiler and the linker are told. CPPFLAGS, CFLAGS, LDFLAGS and LIBS come last, so that
# they win; LIBS and the flags for it are pkg-config's where it knows the libraries (Debian's
# mbedTLS 2.28 is one that it does not know).
known = $(if $(compiles),$(shell $(PKG_CONFIG) $(1) 2>/dev/null))
mbedtls_names = mbedtls mbedx509 mbedcrypto
ifndef LIBS
LIBS := $(or $(call known,--libs $(mbedtls_names)),$(mbedtls_names:%=-l%)) \
	$(or $(call known,--libs inih),-linih)
endif
found_cflags := $(call known,--cflags $(mbedtls_names)) $(call known,--cflags inih)

# FORTIFY takes optimisation, and is left alone where somebody has chosen its level. A sanitizer
# sees more than all of these, and FORTIFY would hide calls from it. A static binary is linked as
# its LDFLAGS say: PIE there is another kind of start file.
ifeq ($(HARDEN)$(findstring -fsanitize,$(CFLAGS)),yes)
fortify := $(if $(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),,\
	$(if $(filter -O0,$(or $(lastword $(filter -O%,$(CFLAGS))),-O0)),,\
	-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2))
pie := $(if $(filter -static% -no-pie,$(LDFLAGS)),,yes)
hardened := -fstack-protector-strong $(fortify) $(pie:yes=-fPIE)
relro := -Wl,-z,relro -Wl,-z,now
ldhardened := $(pie:yes=-pie) $(if $(filter-out Darwin,$(system)),$(relro))
endif

warnings = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
	-Wconversion $(WERROR)
# The folder that a build lies in leaves no trace in it.
flags = -std=c11 $(warnings) -ffile-prefix-map='$(CURDIR)=.' -pthread $(hardened) -I. \
	$(shim:%=-I%) -D_GNU_SOURCE -DOCP_VERSION='"$(VERSION)"' $(found_cflags) $(CPPFLAGS) $(CFLAGS)
ldflags = $(ldhardened) $(LDFLAGS)
compile = mkdir -p $(@D) && $(CC) $(flags) -MMD -MP
link = $(compile) -MT $@ -MF $@.d $(ldflags) -o $@ $(filter %.c %.o %.a,$^)
