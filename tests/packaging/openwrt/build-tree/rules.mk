# As much of OpenWrt's build tree as the package's Makefile meets. $(OUT) takes what it makes.
INCLUDE_DIR := $(TOPDIR)/include
PKG_BUILD_DIR = $(OUT)/build/$(PKG_NAME)-$(PKG_VERSION)
CP := cp -fpR
INSTALL_DIR := install -d -m0755
INSTALL_BIN := install -m0755
INSTALL_DATA := install -m0644
INSTALL_CONF := install -m0600
TARGET_CC := $(TOPDIR)/target-cc
TARGET_AR := $(TOPDIR)/target-cc -o
TARGET_CFLAGS := -Os -pipe
TARGET_CPPFLAGS := -I/staging/usr/include
TARGET_LDFLAGS := -L/staging/usr/lib
