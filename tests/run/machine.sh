# shellcheck shell=bash
# Bare Debian machines for tests: a tree made by debootstrap, entered with namespaces of its own, so
# that its processes and mounts end with the test. Needs root, debootstrap, unshare and chroot.

machine_cache=${CALLTRACE_CACHE:-/var/cache/calltrace-fresh} # base trees and downloaded packages
machine_base_days=7                                          # a base tree is made anew after this
machine_seconds_max=1200                                     # one script inside a machine ends by then
machine_root=                                                # the tree in use: set by machine_new

machine_check() { # fails with a sentence
    [ "$(id -u)" -eq 0 ] || { echo "fresh needs root (chroot and namespaces)" >&2; exit 3; }
    local command
    for command in debootstrap unshare chroot tar; do
        command -v "$command" >/dev/null || { echo "fresh needs $command" >&2; exit 1; }
    done
}

# Where this machine's own apt gets Debian from; a mirror given by the environment goes first.
machine_mirror() { # LABEL: Debian or Debian-Security
    if [ "$1" = Debian ] && [ -n "${CALLTRACE_DEBIAN_MIRROR:-}" ]; then
        echo "$CALLTRACE_DEBIAN_MIRROR"
        return
    fi
    apt-get indextargets --format "\$(LABEL) \$(REPO_URI)" 'Created-By: Packages' |
        awk -v label="$1" '$1 == label { print $2; exit }'
}

machine_base() { # SUITE: prints the tarball of a bare Debian, made when there is none yet
    local suite=$1 base=$machine_cache/$1.tar mirror tree
    if [ -n "$(find "$base" -mtime -$machine_base_days 2>/dev/null)" ]; then
        echo "$base"
        return
    fi
    mirror=$(machine_mirror Debian)
    [ -n "$mirror" ] || { echo "apt knows no Debian mirror; set CALLTRACE_DEBIAN_MIRROR" >&2; return 1; }
    mkdir -p "$machine_cache"
    tree=$machine_cache/$suite.tree
    rm -rf --one-file-system "$tree"
    echo "debootstrap $suite ..." >&2
    if ! debootstrap --variant=minbase --include=ca-certificates,git,sudo "$suite" "$tree" \
        "$mirror" >"$machine_cache/$suite.log" 2>&1; then
        tail -n 5 "$machine_cache/$suite.log" >&2
        return 1
    fi
    tar -C "$tree" -cf "$base.new" .
    rm -rf --one-file-system "$tree"
    mv "$base.new" "$base"
    echo "$base"
}

# The tree gets what this machine needs to reach its packages: mirror, apt's settings, certificates.
machine_network() { # SUITE
    local suite=$1 mirror security
    mirror=$(machine_mirror Debian)
    security=$(machine_mirror Debian-Security)
    {
        echo "deb $mirror $suite main"
        echo "deb $mirror $suite-updates main"
        if [ -n "$security" ]; then echo "deb $security $suite-security main"; fi
    } >"$machine_root/etc/apt/sources.list"
    apt-config dump Acquire | grep -iE 'proxy|check-valid|check-date|cainfo|verify' \
        >"$machine_root/etc/apt/apt.conf.d/99host" || true
    if [ -d /etc/apt/auth.conf.d ]; then
        cp -a /etc/apt/auth.conf.d "$machine_root/etc/apt/" 2>/dev/null || true
    fi
    cp -L /etc/resolv.conf "$machine_root/etc/resolv.conf"
    printf '127.0.0.1 localhost\n::1 localhost\n127.0.0.1 fresh\n' >"$machine_root/etc/hosts"
    if [ -n "$(find /usr/local/share/ca-certificates -name '*.crt' 2>/dev/null)" ]; then
        cp -r /usr/local/share/ca-certificates "$machine_root/usr/local/share/"
        chroot "$machine_root" update-ca-certificates >/dev/null 2>&1 || true
    fi
}

machine_new() { # SUITE: unpacks a bare machine and sets machine_root
    local base
    base=$(machine_base "$1")
    machine_root=$(mktemp -d "${TMPDIR:-/tmp}/calltrace-machine.XXXXXX")
    chmod 755 "$machine_root"
    tar -C "$machine_root" -xpf "$base"
    machine_network "$1"
    mkdir -p "$machine_cache/packages-$1" "$machine_root/srv"
}

machine_remove() {
    if [ -n "$machine_root" ]; then rm -rf --one-file-system "$machine_root"; fi
    machine_root=
}

# The checkout's commit, to be cloned inside.
machine_repository() { # CHECKOUT
    git -c safe.directory='*' clone --quiet --bare --no-hardlinks "$1" "$machine_root/srv/calltrace.git"
}

# Runs a script of this folder inside, in namespaces of its own for mounts, processes and the host
# name (and, with MACHINE_OFFLINE set, the network: loopback only). With MACHINE_NO_NPM set, npm finds
# no registry. When it ends, whatever it left running ends too.
machine_run() { # SUITE SCRIPT ARGUMENTS...
    local suite=$1 script=$2 keep=() name network=
    if [ -n "${MACHINE_OFFLINE:-}" ]; then network=--net; fi
    shift 2
    install -m 755 "$script" "$machine_root/srv/$(basename "$script")"
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        if [ -n "${!name:-}" ]; then keep+=("$name=${!name}"); fi
    done
    if command -v npm >/dev/null; then
        keep+=("npm_config_registry=$(npm config get registry)" npm_config_cafile=/etc/ssl/certs/ca-certificates.crt)
    fi
    if [ -n "${MACHINE_NO_NPM:-}" ]; then
        keep+=(npm_config_registry=https://127.0.0.1:9/ npm_config_fetch_retries=0)
    fi
    timeout -k 10 $machine_seconds_max unshare --mount --pid --uts --ipc ${network:+"$network"} --fork --kill-child --propagation private \
        bash "$(dirname "${BASH_SOURCE[0]}")/machine-enter" \
        "$machine_root" "$machine_cache/packages-$suite" \
        env -i "${keep[@]}" PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 "/srv/$(basename "$script")" "$@" </dev/null
}
