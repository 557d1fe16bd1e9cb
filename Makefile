# weft: build, tests, checks. Everything that is made lands under build/.
#
#   make            the module build/weft/core.so
#   make demo       the picture: one function after the other, as tasks, as threads
#   make test       every spec and C test, each in its own process   (SPEC=..., T=..., JOBS=...)
#   make asan tsan valgrind       the same under the sanitizers and memcheck
#   make tls        the optional module build/weft/tls_core.so, over OpenSSL 3
#   make faults                   what must survive, as a table (scripts/faults.lua has the rows)
#   make fuzz TARGET=prompt       inputs made by a machine (scripts/fuzz.sh has the targets)
#   make versions   the tests by other compilers, flags, Luas and libuvs, and a table   (see docs/versions.md)
#   make bench examples rock docs gallery lint fmt models deep
#   eval "$(make -s luapath)"     use the built tree from plain lua5.4, and its command weft
#
# BUILD=DIR     another place than build/, so that two builds do not meet
# LUA_DIR=DIR   another Lua 5.4 (DIR/include, DIR/lib and DIR/bin, or a built source tree)
# UV_DIR=DIR    another libuv (DIR/include and DIR/lib, or a built source tree): its shared library if there is one, else
#               the static one; UV_STATIC=1: the static one
# LUA_SRC=DIR   Lua's own C sources: the sanitizer hosts are then built from them, instrumented
# CC=clang      any C11 compiler

CC      ?= gcc
ifeq ($(origin CC),default)
CC      := gcc
endif
LUA     ?= $(if $(LUA_DIR),$(firstword $(wildcard $(LUA_DIR)/bin/lua $(LUA_DIR)/bin/lua5.4 $(LUA_DIR)/src/lua $(LUA_DIR)/lua)),lua5.4)
BUILD   := build
ROOT    := $(CURDIR)
OUT      = $(abspath $(BUILD))
NPROC   := $(shell nproc 2>/dev/null || echo 2)
JOBS    ?= 2

# Goals that run things set the machine up first, then come back here with READY=1:
# what pkg-config says is read while this file is read, so it must be installed before.
SETUP_GOALS := demo test faults versions bench performance asan tsan valgrind examples gallery rock deep coverage

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all luapath clean lint fmt docs tls models fuzz $(SETUP_GOALS)

# Build on all cores unless the caller said how. (`make clean all` must stay in order.)
ifeq ($(MAKELEVEL)$(filter clean $(SETUP_GOALS),$(MAKECMDGOALS)),0)
MAKEFLAGS += -j$(NPROC)
endif

# V=1 shows the commands, else one short line for each.
ifeq ($(V),1)
say = @:
Q   :=
else
say = @echo '  $(1)'
Q   := @
endif

# ------------------------------------------------------------------ flags

, := ,
ifdef LUA_DIR
LUA_INC  := $(firstword $(dir $(wildcard $(LUA_DIR)/include/lua.h $(LUA_DIR)/include/lua5.4/lua.h \
              $(LUA_DIR)/src/lua.h $(LUA_DIR)/lua.h)))
LUA_CFLAGS := $(if $(LUA_INC),-isystem $(LUA_INC))
LUA_ARCHIVE := $(firstword $(wildcard $(LUA_DIR)/lib/liblua5.4.a $(LUA_DIR)/lib/liblua.a \
              $(LUA_DIR)/lib/*/liblua5.4.a $(LUA_DIR)/src/liblua.a $(LUA_DIR)/liblua.a))
else
# Debian and Alpine say lua5.4, others lua-5.4, lua54 or just lua.
LUA_PC     := $(shell for p in lua5.4 lua-5.4 lua54 lua; do pkg-config --exists "$$p >= 5.4 $$p < 5.5" && echo $$p && break; done 2>/dev/null)
LUA_CFLAGS := $(if $(LUA_PC),$(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(LUA_PC))))
LUA_LIBDIR := $(if $(LUA_PC),$(shell pkg-config --variable=libdir $(LUA_PC)))
LUA_ARCHIVE := $(firstword $(wildcard $(LUA_LIBDIR)/liblua5.4.a $(LUA_LIBDIR)/liblua.a))
endif
ifdef UV_DIR
UV_ROOT   := $(abspath $(UV_DIR))
UV_CFLAGS := $(if $(wildcard $(UV_ROOT)/include/uv.h),-isystem $(UV_ROOT)/include)
# Where `make install`, autotools and cmake leave it.
UV_FILE   := $(if $(UV_CFLAGS),$(firstword $(foreach f,$(if $(UV_STATIC),,libuv.so libuv.dylib) libuv.a libuv_a.a, \
              $(wildcard $(patsubst %,$(UV_ROOT)/%/$f,lib lib64 lib/* .libs build .)))))
# A static one is ours alone: its functions are not shown to others.
UV_CFLAGS += $(if $(filter %.a,$(UV_FILE)),-DWF_UV_LINKED)
UV_LIBS   := $(strip $(if $(filter %.a,$(UV_FILE)),$(UV_FILE) -Wl$(,)--exclude-libs$(,)$(notdir $(UV_FILE)) -ldl -lrt, \
              $(if $(UV_FILE),-L$(dir $(UV_FILE)) -luv -Wl$(,)-rpath$(,)$(dir $(UV_FILE)))))
else
UV_CFLAGS := $(patsubst -I%,-isystem %,$(shell pkg-config --cflags libuv 2>/dev/null))
UV_LIBS   := $(shell pkg-config --libs libuv 2>/dev/null)
endif
SSL_LIBS  := $(shell pkg-config --exists "openssl >= 3" 2>/dev/null && pkg-config --libs openssl)
MISSING   := $(strip $(if $(LUA_CFLAGS)$(LUA_PC),,headers of Lua 5.4$(if $(LUA_DIR), in $(LUA_DIR))) \
              $(if $(UV_LIBS),,libuv$(if $(UV_DIR), in $(UV_DIR))))

WARN    := -Wall -Wextra -Wshadow -Wconversion
BASE    := -std=gnu11 $(WARN) -Icsrc $(LUA_CFLAGS) $(UV_CFLAGS) -fPIC -fvisibility=hidden -pthread
CFLAGS  ?=
ifeq ($(shell uname -s),Darwin) # nobody has run this: docs/versions.md
MODLINK := -bundle -undefined dynamic_lookup -pthread
HOSTLINK := -pthread -Wl,-export_dynamic
MATHLIBS := -lm
WHOLE_LUA = -Wl,-force_load,$(LUA_ARCHIVE)
else
MODLINK := -shared -pthread -Wl,-z,nodelete -Wl,-z,relro -Wl,--as-needed
HOSTLINK := -pthread -Wl,--export-dynamic
MATHLIBS := -lm -ldl
WHOLE_LUA = -Wl,--whole-archive $(LUA_ARCHIVE) -Wl,--no-whole-archive
endif

# The variants: the shipped module, the one with assertions that `make test` uses, two sanitizers.
ASAN    := -fsanitize=address,undefined -fno-sanitize=object-size -fno-sanitize-recover=undefined
TSAN    := -fsanitize=thread
FLAGS_release := -O3 -g -fno-plt -falign-functions=32 -DNDEBUG
FLAGS_check   := -O2 -g -fno-omit-frame-pointer -DWF_DEBUG
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -DWF_DEBUG $(ASAN)
FLAGS_tsan    := -O1 -g -fno-omit-frame-pointer -DWF_DEBUG $(TSAN)
FLAGS_cover   := -O0 -g -DWF_DEBUG --coverage -fprofile-update=prefer-atomic
FLAGS_fuzz    := -O2 -g -fno-omit-frame-pointer -DWF_DEBUG -DWF_FUZZER -fsanitize=fuzzer-no-link $(ASAN)
LINK_asan     := $(ASAN)
LINK_tsan     := $(TSAN)
LINK_cover    := --coverage -Wl,-u,__gcov_dump # which spec/c/check.h only calls if it is there
LINK_fuzz     := -fsanitize=fuzzer $(ASAN)
DIR_release   := $(BUILD)
DIR_check     := $(BUILD)/check
DIR_asan      := $(BUILD)/asan
DIR_tsan      := $(BUILD)/tsan
DIR_cover     := $(BUILD)/cover
DIR_fuzz      := $(BUILD)/fuzz
VARIANTS      := release check asan tsan cover fuzz

# ------------------------------------------------------------------ what there is

SRC    := $(sort $(wildcard csrc/*.c csrc/*/*.c))
CTESTS := $(sort $(wildcard spec/c/*_test.c))
CTEST_NAMES := $(patsubst spec/c/%.c,%,$(CTESTS))
ALL_FLAGS = $(CC) $(BASE) $(CFLAGS) $(LUA_SRC) $(LUA_DEFS) $(LUA_ARCHIVE) $(UV_LIBS)
LUA_C  := $(if $(LUA_SRC),$(filter-out %/lua.c %/luac.c %/onelua.c %/ltests.c,$(wildcard $(LUA_SRC)/*.c)))

all: $(BUILD)/weft/core.so

# $(call variant,NAME): objects, module, Lua host and C tests of one variant.
define variant
OBJ_$(1)   := $$(SRC:csrc/%.c=$$(DIR_$(1))/obj/%.o)
LUAOBJ_$(1) := $$(if $$(filter asan tsan,$(1)),$$(patsubst $$(LUA_SRC)/%.c,$$(DIR_$(1))/obj/lua/%.o,$$(LUA_C)))
HOSTLUA_$(1) := $$(if $$(LUAOBJ_$(1)),$$(LUAOBJ_$(1)),$$(WHOLE_LUA))

$$(DIR_$(1))/obj/%.o: csrc/%.c $$(BUILD)/flags-$(1)
	@mkdir -p $$(@D)
	$$(call say,BUILD $$@)
	$$(Q)$$(CC) $$(BASE) $$(FLAGS_$(1)) $$(CFLAGS) -MMD -MP -c -o $$@ $$<

$$(DIR_$(1))/obj/lua/%.o: $$(LUA_SRC)/%.c $$(BUILD)/flags-$(1)
	@mkdir -p $$(@D)
	$$(call say,BUILD $$@)
	$$(Q)$$(CC) -std=gnu99 -DLUA_COMPAT_5_3 -DLUA_USE_LINUX $$(LUA_DEFS) $$(FLAGS_$(1)) $$(CFLAGS) -c -o $$@ $$<

$$(DIR_$(1))/weft/core.so: $$(OBJ_$(1))
	@mkdir -p $$(@D)
	$$(call say,BUILD $$@)
	$$(Q)$$(CC) $$(FLAGS_$(1)) $$(CFLAGS) $$(MODLINK) $$(LINK_$(1)) -o $$@.new $$^ $$(UV_LIBS)
	$$(Q)mv -f $$@.new $$@   # at once: a script that starts now loads the old one or the new

$$(DIR_$(1))/lua: $$(DIR_$(1))/obj/host.o $$(DIR_$(1))/obj/ctest/tsan_longjmp.o $$(LUAOBJ_$(1))
	$$(call say,BUILD $$@)
	$$(Q)$$(CC) $$(FLAGS_$(1)) $$(CFLAGS) $$(HOSTLINK) $$(LINK_$(1)) -o $$@ $$< $$(DIR_$(1))/obj/ctest/tsan_longjmp.o $$(HOSTLUA_$(1)) $$(MATHLIBS)

$$(DIR_$(1))/obj/host.o: spec/c/host.c $$(BUILD)/flags-$(1)
	@mkdir -p $$(@D)
	$$(call say,BUILD $$@)
	$$(Q)$$(CC) $$(BASE) $$(FLAGS_$(1)) $$(CFLAGS) -MMD -MP -c -o $$@ $$<

$$(DIR_$(1))/obj/ctest/%.o: spec/c/%.c $$(BUILD)/flags-$(1)
	@mkdir -p $$(@D)
	$$(call say,BUILD $$@)
	$$(Q)$$(CC) $$(BASE) -Ispec/c $$(FLAGS_$(1)) $$(CFLAGS) -MMD -MP -c -o $$@ $$<

# An archive, so that a C test links what it uses and may put its own in place of the rest.
$$(DIR_$(1))/obj/libweft.a: $$(OBJ_$(1))
	$$(Q)rm -f $$@ && $$(AR) rcs $$@ $$^

$$(DIR_$(1))/test/%: $$(DIR_$(1))/obj/ctest/%.o $$(DIR_$(1))/obj/ctest/tsan_longjmp.o $$(DIR_$(1))/obj/libweft.a $$(LUAOBJ_$(1))
	@mkdir -p $$(@D)
	$$(call say,BUILD $$@)
	$$(Q)$$(CC) $$(FLAGS_$(1)) $$(CFLAGS) $$(HOSTLINK) $$(LINK_$(1)) -o $$@ $$^ \
	  $$(if $$(LUAOBJ_$(1)),,$$(LUA_ARCHIVE)) $$(UV_LIBS) $$(MATHLIBS)

# Touched only when the flags change, so that objects never mix two sets of them.
$$(BUILD)/flags-$(1): FORCE
	@mkdir -p $$(@D); $$(if $$(MISSING),echo "weft: missing: $$(MISSING); scripts/setup.sh build installs the distribution's" >&2; exit 1)
	@echo '$$(ALL_FLAGS) $$(FLAGS_$(1))' | cmp -s - $$@ || echo '$$(ALL_FLAGS) $$(FLAGS_$(1))' > $$@

.PRECIOUS: $$(DIR_$(1))/obj/%.o $$(DIR_$(1))/obj/lua/%.o $$(DIR_$(1))/obj/ctest/%.o $$(DIR_$(1))/test/%
-include $$(OBJ_$(1):.o=.d) $$(DIR_$(1))/obj/host.d $$(CTEST_NAMES:%=$$(DIR_$(1))/obj/ctest/%.d)

# Optional: TLS over OpenSSL, a module of its own.
$$(DIR_$(1))/weft/tls_core.so: tls/core.c $$(BUILD)/flags-$(1)
	@mkdir -p $$(@D)
	$$(call say,BUILD $$@)
	$$(Q)$$(CC) $$(BASE) $$(FLAGS_$(1)) $$(CFLAGS) $$(shell pkg-config --cflags openssl) -shared -Wl,--as-needed $$(LINK_$(1)) \
	  -o $$@ $$< $$(SSL_LIBS)

tests-$(1): $$(if $$(SSL_LIBS),$$(DIR_$(1))/weft/tls_core.so) $$(DIR_$(1))/weft/core.so $$(CTEST_NAMES:%=$$(DIR_$(1))/test/%)
.PHONY: tests-$(1)
endef
$(foreach v,$(VARIANTS),$(eval $(call variant,$(v))))

# libFuzzer is clang's.
fuzz-hosts $(BUILD)/flags-fuzz: CC := clang
fuzz-hosts: $(DIR_fuzz)/test/fuzz_unpack $(DIR_fuzz)/test/fuzz_lua_test
.PHONY: fuzz-hosts

.PHONY: FORCE
FORCE:

# ------------------------------------------------------------------ running things

ifndef READY

$(SETUP_GOALS):
	@scripts/setup.sh $@
	@$(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(NPROC)) READY=1 $@

else

RUN_TREE := LUA_PATH='$(ROOT)/lua/?.lua;$(ROOT)/lua/?/init.lua;;' LUA_CPATH='$(OUT)/?.so;;'
TEST     := scripts/test.sh -j $(JOBS)

demo: all
	@$(RUN_TREE) $(LUA) examples/three_ways.lua

examples: all
	@$(RUN_TREE) LUA='$(LUA)' scripts/examples.sh

# docs/gallery.md and its pictures, from real runs.
gallery: all
	@$(RUN_TREE) $(LUA) scripts/gallery.lua

bench: all
	@mkdir -p $(BUILD)
	@$(RUN_TREE) $(LUA) bench/run.lua $(BENCH)

# The numbers of README.md and docs/performance.md, on a machine that does nothing else.
performance: bench
	@$(RUN_TREE) $(LUA) scripts/costs.lua
	@$(RUN_TREE) $(LUA) scripts/performance.lua

test: tests-check
	@$(TEST) -d $(DIR_check) -l '$(LUA)'

asan: tests-asan $(DIR_asan)/lua
	@$(TEST) -d $(DIR_asan) -l $(OUT)/asan/lua -s asan

tsan: tests-tsan $(DIR_tsan)/lua
	@$(TEST) -d $(DIR_tsan) -l $(OUT)/tsan/lua -s tsan

# What handles memory by hand; all of it with `make valgrind SPEC=_`.
VALGRIND_SPEC ?= _test pack value task chan select lock time error
valgrind: tests-check $(DIR_check)/lua
	@SPEC='$(or $(SPEC),$(VALGRIND_SPEC))' $(TEST) -d $(DIR_check) -l $(OUT)/check/lua -s valgrind

# See the script's head for what it reads: VERSIONS, LUA_DIRS, UV_DIRS and more.
versions:
	@MAKE='$(MAKE)' JOBS='$(JOBS)' BUILD='$(BUILD)' scripts/versions.sh

rock:
	@LUA='$(LUA)' scripts/rock.sh $(BUILD)/rocktree

# Which lines and branches of the C code the tests reach, by file; what is under the limits is listed.
coverage: tests-cover
	@find $(DIR_cover) -name '*.gcda' -delete
	@$(TEST) -d $(DIR_cover) -l '$(LUA)' || true
	@$(LUA) scripts/coverage.lua $(DIR_cover)

# What must survive: a table of faults and how the tests of each ended (docs/reliability.md).
faults: tests-check
	@WEFT_FAULT_WAYS=$${WEFT_FAULT_WAYS:-4} $(LUA) scripts/faults.lua -d $(DIR_check) -l '$(LUA)' -j $(JOBS) $(ROWS)

# The long tests, by hand, a day and more: the table at the sizes of WEFT_..., then full sizes, both collector modes, both
# sanitizers, and the fuzz targets.
deep: tests-check tests-asan tests-tsan $(DIR_asan)/lua $(DIR_tsan)/lua
	@export WEFT_QUICK=0; bad=0; \
	WEFT_FAULT_WAYS=$${WEFT_FAULT_WAYS:-14} WEFT_MESSAGES=$${WEFT_MESSAGES:-10000000} WEFT_SOAK=$${WEFT_SOAK:-10000,600} \
	  WEFT_ROUNDS=$${WEFT_ROUNDS:-1000} WEFT_KILLS=$${WEFT_KILLS:-10000} WEFT_PROGRAMS=$${WEFT_PROGRAMS:-2000} \
	  SPEC_TIMEOUT=$(or $(SPEC_TIMEOUT),172800) \
	  $(LUA) scripts/faults.lua -d $(DIR_check) -l '$(LUA)' -j $(JOBS) $(ROWS) || bad=1; \
	export SPEC_TIMEOUT=$(or $(SPEC_TIMEOUT),3600); \
	$(TEST) -d $(DIR_check) -l '$(LUA)' || bad=1; \
	GC=stress $(TEST) -d $(DIR_check) -l '$(LUA)' || bad=1; \
	GC=gen $(TEST) -d $(DIR_check) -l '$(LUA)' || bad=1; \
	$(TEST) -d $(DIR_asan) -l $(OUT)/asan/lua -s asan || bad=1; \
	$(TEST) -d $(DIR_tsan) -l $(OUT)/tsan/lua -s tsan || bad=1; \
	for t in unpack lines prompt command; do \
	  MAKE='$(MAKE)' BUILD='$(BUILD)' scripts/fuzz.sh $$t $${WEFT_FUZZ_RUNS:-20000000} || bad=1; \
	done; \
	exit $$bad

endif

# ------------------------------------------------------------------ checks, docs, the rest

lint:
	@scripts/setup.sh lint
	@CC='$(CC)' LUA='$(LUA)' MAKE='$(MAKE)' scripts/lint.sh

# The protocols between threads, in every interleaving (spec/models, spin; spec/c/parker_model_test.c has store buffers).
models: $(BUILD)/check/test/parker_model_test
	@$(BUILD)/check/test/parker_model_test && CC='$(CC)' scripts/models.sh $(BUILD)/models

fmt:
	@clang-format -i $(wildcard csrc/*.[ch] csrc/*/*.[ch] spec/c/*.[ch] bench/c/*.[ch])

# Inputs made by a machine, until something is wrong (scripts/fuzz.sh).
fuzz:
	@MAKE='$(MAKE)' BUILD='$(BUILD)' scripts/fuzz.sh '$(TARGET)' '$(or $(RUNS),0)' '$(or $(SECONDS),$(if $(RUNS),0,60))'

tls: $(if $(SSL_LIBS),$(BUILD)/weft/tls_core.so)
	@$(if $(SSL_LIBS),:,echo "weft: OpenSSL 3 is missing (Debian: apt install libssl-dev)" >&2; exit 1)

# docs/api.md is generated from the annotations in types/.
docs: types
	@$(LUA) scripts/docs.lua

luapath:
	@echo "LUA_PATH='$(ROOT)/lua/?.lua;$(ROOT)/lua/?/init.lua;;'; export LUA_PATH"
	@echo "LUA_CPATH='$(OUT)/?.so;;'; export LUA_CPATH"
	@echo "case \":\$$PATH:\" in *':$(ROOT)/bin:'*) ;; *) PATH='$(ROOT)/bin':\$$PATH; export PATH ;; esac"

clean:
	rm -rf $(BUILD)
