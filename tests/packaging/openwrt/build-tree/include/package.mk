define BuildPackage
all:
	$$(Build/Prepare)
	$$(Build/Configure)
	$$(Build/Compile)
	$$(call Package/$(1)/install,$$(OUT)/root)
	echo "$$$$CONFFILES" >$$(OUT)/conffiles
all: export CONFFILES = $$(Package/$(1)/conffiles)
endef
