#!/bin/sh
# The servers that the tests start. Run from anywhere; does nothing where everything is there.
#
#   sh tests/servers.sh                          a redis-server on PATH (Debian, Ubuntu: installs it; elsewhere: says what to install)
#   sh tests/servers.sh valkey8 valkey9 redis8   also other servers, unpacked below target/servers (or $RGC_SERVERS) and not installed
#   sh tests/servers.sh prometheus               Prometheus with its promtool, likewise: it reads what `metrics` writes
#
# The others come from this machine's own Debian mirror, checked by apt, and bring their own C library along.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
servers=${RGC_SERVERS:-$here/target/servers}

say() { echo "servers.sh: $*" >&2; }
fail() { say "$*"; exit 1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else fail "not root and no sudo: run as root: $*"; fi; }

installed() {
  for name in redis-server valkey-server; do
    if command -v "$name" >/dev/null; then say "$("$name" --version | cut -d' ' -f1-3) at $(command -v "$name")"; return; fi
  done
  command -v apt-get >/dev/null ||
    fail "no redis-server and no valkey-server on PATH. Install one (Fedora: dnf install valkey; macOS: brew install redis) and run this again"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-server >&2
  say "installed $(redis-server --version | cut -d' ' -f1-3). The package may have started a service of its own on port 6379; the tests do not use it"
}

# The first Debian archive among this machine's apt sources, of either format.
mirror() {
  {
    cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *\([^ ]*\).*/\1/p'
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\).*/\2/p'
  } | sed 's,/$,,' | grep '/debian$' | head -n 1
}

# apt with lists and cache of its own: the system's are neither read nor written.
side_apt() {
  suite=$1 side=$servers/.apt/$1
  shift
  apt-get -qq -o Dir::Etc::SourceList="$side/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::lists="$side/lists" \
    -o Dir::Cache="$side/cache" -o Dir::State::status=/dev/null -o Acquire::Languages=none -o APT::Sandbox::User=root -o Debug::NoLocking=1 "$@"
}

# unpack NAME SUITE SERVER-PACKAGE TOOLS-PACKAGE SERVER CLI
unpack() {
  home=$servers/$1
  if [ ! -x "$home/bin/server" ]; then
    command -v dpkg >/dev/null || fail "$1 comes as Debian packages, and there is no dpkg here"
    from=$(mirror)
    [ -n "$from" ] || fail "found no Debian archive in the apt sources: $1 cannot be fetched"
    side=$servers/.apt/$2
    mkdir -p "$side/lists/partial" "$side/cache/archives/partial"
    rm -rf "$home.new" "$home"
    mkdir -p "$home.new/debs" "$home.new/root" "$home.new/bin"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $from $2 main" >"$side/sources.list"
    side_apt "$2" update
    (cd "$home.new/debs" && side_apt "$2" download "$3" "$4" libc6 libgcc-s1 libstdc++6 libatomic1 libjemalloc2 liblzf1 libssl3t64 libsystemd0 libcap2 libzstd1 zlib1g)
    for deb in "$home.new"/debs/*.deb; do dpkg -x "$deb" "$home.new/root"; done
    rm -r "$home.new/debs"
    mv "$home.new" "$home"
    loader=$(find "$home/root" -name 'ld-linux-*.so.*' | head -n 1)
    libraries=$(find "$home/root" -name '*.so*' -type f | sed 's,/[^/]*$,,' | grep -E '/lib(64)?(/[a-z0-9_]+-linux-gnu)?$' | sort -u | paste -sd: -)
    for pair in "server:$5" "cli:$6"; do
      program=$(readlink -f "$home/root/usr/bin/${pair#*:}")
      missing=$("$loader" --library-path "$libraries" --list "$program" | grep 'not found' || true)
      [ -z "$missing" ] || fail "$1 lacks libraries: $missing"
      printf '#!/bin/sh\nexec "%s" --library-path "%s" --argv0 "%s" "%s" "$@"\n' "$loader" "$libraries" "${pair#*:}" "$program" >"$home/bin/${pair%%:*}.new"
      chmod +x "$home/bin/${pair%%:*}.new"
    done
    mv "$home/bin/cli.new" "$home/bin/cli"
    mv "$home/bin/server.new" "$home/bin/server"
  fi
  say "$("$home/bin/server" --version | head -n 1 | cut -d' ' -f1-3) at $home/bin/server"
}

installed
for name in "$@"; do
  case $name in
    valkey8) unpack valkey8 trixie valkey-server valkey-tools valkey-server valkey-cli ;;
    valkey9) unpack valkey9 sid valkey-server valkey-tools valkey-server valkey-cli ;;
    redis8) unpack redis8 trixie redis-server redis-tools redis-server redis-cli ;;
    prometheus) unpack prometheus trixie prometheus promtool prometheus promtool ;;
    *) fail "unknown server $name: known are valkey8, valkey9, redis8, prometheus" ;;
  esac
done
