# shellcheck shell=bash
# Shared by the scripts in dev/: packages, a staged build, scratch clusters.
#
#   NIJI_PG_MAJOR   PostgreSQL's major version (default: the newest found with headers, else 15)
#   NIJI_STAGE      where "make install" is staged (default: below the scratch folder)
#   NIJI_SCRATCH    scratch folder (default: a new one below /tmp)

set -euo pipefail

NIJI_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '%s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# the user that servers run as: PostgreSQL refuses root
server_user() {
  if [ "$(id -u)" -ne 0 ]; then id -un
  elif id postgres >/dev/null 2>&1; then echo postgres
  else echo nobody; fi
}

# runs a command as that user
as_server() {
  if [ "$(id -u)" -eq 0 ]; then
    runuser -u "$(server_user)" -- env HOME="$NIJI_SCRATCH" PATH="$PATH" LC_ALL=C.UTF-8 ${PGHOST:+"PGHOST=$PGHOST"} ${PGPORT:+"PGPORT=$PGPORT"} ${PGUSER:+"PGUSER=$PGUSER"} "$@"
  else
    env LC_ALL=C.UTF-8 "$@"
  fi
}

find_pg_config() {
  if [ -n "${PG_CONFIG:-}" ]; then return; fi
  local major
  for major in ${NIJI_PG_MAJOR:-15 16 17 18}; do
    if [ -x "/usr/lib/postgresql/$major/bin/pg_config" ] && [ -e "/usr/lib/postgresql/$major/lib/pgxs/src/makefiles/pgxs.mk" ]; then
      PG_CONFIG=/usr/lib/postgresql/$major/bin/pg_config; export PG_CONFIG; return
    fi
  done
  return 1
}

# installs what is missing, by apt, as root or with sudo; $@ = further packages
ensure_packages() {
  local major=${NIJI_PG_MAJOR:-} missing=() package sudo=''
  if [ -z "$major" ]; then
    if find_pg_config; then major=$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
    else major=$(apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' | head -1); fi
    major=${major:-15}
  fi
  for package in gcc make postgresql-"$major" postgresql-server-dev-"$major" libssl-dev libicu-dev libroaring-dev openssl "$@"; do
    package=${package//MAJOR/$major}
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || die "missing packages, and there is no apt-get: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then sudo=sudo; command -v sudo >/dev/null || die "install as root: ${missing[*]}"; fi
    say "Installing: ${missing[*]}"
    # a new server package must not start a cluster of its own here
    if ! dpkg-query -W -f '${Status}' postgresql-common 2>/dev/null | grep -q 'install ok installed'; then
      $sudo mkdir -p /etc/postgresql-common
      [ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq >/dev/null || true
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/tmp/niji-apt.$$.log 2>&1 ||
      { tail -20 /tmp/niji-apt.$$.log >&2; die "apt-get could not install: ${missing[*]}"; }
    rm -f /tmp/niji-apt.$$.log
  fi
  NIJI_PG_MAJOR=$major
  find_pg_config || die "no PostgreSQL server headers found"
}

scratch() {
  if [ -z "${NIJI_SCRATCH:-}" ]; then NIJI_SCRATCH=$(mktemp -d /tmp/niji.XXXXXX); fi
  mkdir -p "$NIJI_SCRATCH"
  NIJI_SCRATCH=$(cd "$NIJI_SCRATCH" && pwd)
  chmod 755 "$NIJI_SCRATCH"
  [ "$(id -u)" -ne 0 ] || chown "$(server_user)" "$NIJI_SCRATCH"
  # the server's user may have no right to the caller's folder (/root, a home), and its programs complain of that
  cd "$NIJI_SCRATCH"
  export NIJI_SCRATCH
  NIJI_STAGE=${NIJI_STAGE:-$NIJI_SCRATCH/stage}
  export NIJI_STAGE
}

# build and stage; $@ = further arguments of make
build() {
  make -s -C "$NIJI_TOP" -j"$(nproc)" PG_CONFIG="$PG_CONFIG" with_llvm=no "$@"
  rm -rf "$NIJI_STAGE"
  make -s -C "$NIJI_TOP" install PG_CONFIG="$PG_CONFIG" with_llvm=no DESTDIR="$NIJI_STAGE" "$@" >/dev/null
  chmod -R a+rX "$NIJI_STAGE"
}

# the lines that let a server find the staged extension
staged_settings() {
  local major
  major=$("$PG_CONFIG" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
  if [ "$major" -ge 18 ]; then
    say "extension_control_path = '$NIJI_STAGE$("$PG_CONFIG" --sharedir):\$system'"
  else
    say "extension_destdir = '$NIJI_STAGE'"
  fi
  say "dynamic_library_path = '$NIJI_STAGE$("$PG_CONFIG" --pkglibdir):\$libdir'"
}

# new_cluster NAME DATABASE [line of postgresql.conf]...: makes and starts one, with fresh keys; exports PGHOST, PGPORT.
# With NIJI_PLAIN set the server does not know of niji.  With NIJI_TEMPLATE set to the folder of a stopped cluster that
# this function made, the new one is a copy of it, with its database and keys.
new_cluster() {
  local name=$1 database=$2 bin dir=$NIJI_SCRATCH/$1 line
  shift 2
  bin=$("$PG_CONFIG" --bindir)
  # a socket's path may have 107 bytes: give it a short one
  as_server mkdir -p "$dir"
  if [ -n "${NIJI_TEMPLATE:-}" ]; then
    as_server cp -a "$NIJI_TEMPLATE/data" "$NIJI_TEMPLATE/keys" "$dir"
  else
    as_server mkdir -p "$dir/keys"
    as_server "$bin/initdb" -D "$dir/data" -U postgres --no-sync -E UTF8 --locale=C.UTF-8 --auth-local=trust >"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log" >&2; die "initdb failed"; }
    as_server bash -c "umask 077; openssl rand -hex 32 >'$dir/keys/1.key'; openssl genpkey -algorithm ed25519 -out '$dir/keys/seal.pem' 2>/dev/null; chmod 600 '$dir'/keys/*"
  fi
  {
    staged_settings
    if [ -z "${NIJI_PLAIN:-}" ]; then
      say "shared_preload_libraries = 'niji'"
      say "niji.database = '$database'"
      say "niji.key_source = 'file:$dir/keys'"
    fi
    say "listen_addresses = ''"
    say "unix_socket_directories = '$dir'"
    say "logging_collector = off"
    say "log_line_prefix = '%m [%p] %q%u@%d '"
    say "max_connections = 50"
    for line in "$@"; do say "$line"; done
  } | as_server tee -a "$dir/data/postgresql.conf" >/dev/null
  as_server "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 start >/dev/null || { tail -20 "$dir/log" >&2; die "the server did not start"; }
  export PGHOST=$dir PGPORT=5432 PGUSER=postgres
  unset PGDATABASE PGOPTIONS
  [ "$database" = postgres ] || [ -n "${NIJI_TEMPLATE:-}" ] || as_server "$bin/createdb" "$database"
}

stop_cluster() {
  as_server "$("$PG_CONFIG" --bindir)/pg_ctl" -D "$NIJI_SCRATCH/$1/data" -m "${2:-fast}" -w stop >/dev/null
}
