# niji, built with PGXS.  make; make install; make installcheck
#
# control/niji--VERSION.sql, which CREATE EXTENSION runs, is put together from
# the parts in control/install/ in the order of their names.

EXTENSION = niji
NIJI_VERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" extension.control)
MODULE_big = niji
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c src/*/*.c)))
PGFILEDESC = "niji - safe secondary use of health data"

DATA_built = control/niji--$(NIJI_VERSION).sql
DATA = $(wildcard control/upgrade/*.sql)

REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
REGRESS_OPTS = --load-extension=niji
ISOLATION = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=$(srcdir)/test --load-extension=niji
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl

PG_CONFIG ?= pg_config
PG_CPPFLAGS = -I$(srcdir)/src -isystem $(shell $(PG_CONFIG) --includedir-server)
PG_CFLAGS = -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Wno-sign-compare -Wno-declaration-after-statement -Wno-unknown-warning-option -Wno-ignored-optimization-argument -Wno-clobbered $(WERROR)
SHLIB_LINK = -lcrypto -licuuc -licui18n -lroaring
EXTRA_CLEAN = control/niji--$(NIJI_VERSION).sql $(VERIFY)

# niji-verify, a program that needs no server: PGXS makes either a library or a program
VERIFY = tools/niji-verify/niji-verify
VERIFY_SOURCES = $(sort $(wildcard tools/niji-verify/*.c)) $(patsubst %,src/trail/%.c,base64 cbor checkpoint commitment merkle)

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# headers are few and small: when one changes, everything is compiled again
$(OBJS): $(wildcard src/*.h src/*/*.h)

control/niji--$(NIJI_VERSION).sql: $(sort $(wildcard control/install/*.sql))
	cat $^ > $@

all: $(VERIFY)

$(VERIFY): $(VERIFY_SOURCES) $(wildcard tools/niji-verify/*.h src/trail/*.h)
	$(CC) $(CFLAGS) -DNIJI_PLAIN -DNIJI_VERSION='"$(NIJI_VERSION)"' -I$(srcdir)/src $(VERIFY_SOURCES) -o $@ $(LDFLAGS) -lcrypto -lm

install: install-verify
install-verify: $(VERIFY)
	$(MKDIR_P) '$(DESTDIR)$(bindir)'
	$(INSTALL_PROGRAM) $(VERIFY) '$(DESTDIR)$(bindir)/niji-verify'

uninstall: uninstall-verify
uninstall-verify:
	rm -f '$(DESTDIR)$(bindir)/niji-verify'

.PHONY: install-verify uninstall-verify
