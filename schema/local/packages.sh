# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # the shared variables stand in common.sh
# Which packages calltrace needs, whether they are there, and how they come.

# PACKAGE  HOW TO SEE THAT IT IS THERE. Libraries are looked for as such, because they may also
# have been built by hand and because distributions name packages differently.
packages_needed='
gcc                   command cc
libc6-dev             header stdio.h
cmake                 command cmake
ninja-build           command ninja
pkg-config            command pkg-config
protobuf-c-compiler   command protoc-c
libmicrohttpd-dev     library libmicrohttpd
libgnutls28-dev       library gnutls
libpq-dev             library libpq
libhiredis-dev        library hiredis
libnng-dev            header nng/nng.h
libprotobuf-c-dev     library libprotobuf-c
libjansson-dev        library jansson
libjwt-gnutls-dev     library libjwt-gnutls
libdeflate-dev        header libdeflate.h
libzstd-dev           library libzstd
libxxhash-dev         library libxxhash
uthash-dev            header uthash.h
uuid-dev              library uuid
libcurl4-gnutls-dev   library libcurl
ca-certificates       file /etc/ssl/certs/ca-certificates.crt
libinih-dev           library inih
libunistring-dev      header unistr.h
openssl               command openssl
curl                  command curl
python3               command python3
'
# For the web pages; calltrace runs without them, too.
packages_pages='
nodejs                command node
npm                   command npm
'
packages_postgres='postgresql  server postgres'
packages_redis='redis-server  server redis'

package_is_there() { # KIND NAME
    local name=$2 directory
    case $1 in
        command) command -v "$name" >/dev/null ;;
        file) [ -e "$name" ] ;;
        runtime) compgen -G "$(clang -print-runtime-dir 2>/dev/null)/libclang_rt.$name*.a" >/dev/null ;;
        module) python3 -c "import $name" 2>/dev/null ;;
        server) [ -n "$("${name}_find")" ] ;;
        header)
            for directory in /usr/include /usr/local/include /usr/include/*-linux-gnu*; do
                if [ -e "$directory/$name" ]; then return 0; fi
            done
            return 1
            ;;
        library)
            if command -v pkg-config >/dev/null; then
                pkg-config --exists "$name"
                return
            fi
            for directory in /usr/lib/*/pkgconfig /usr/lib/pkgconfig /usr/share/pkgconfig \
                /usr/local/lib/pkgconfig /usr/local/lib/*/pkgconfig; do
                if [ -e "$directory/$name.pc" ]; then return 0; fi
            done
            return 1
            ;;
    esac
}

packages_missing() { # TABLE: the packages of the table that are not there, on one line
    local package kind name missing=
    while read -r package kind name; do
        if [ -n "$package" ] && ! package_is_there "$kind" "$name"; then missing+=" $package"; fi
    done <<<"$1"
    echo "${missing# }"
}

# Calls a command as root: directly, or with sudo. The proxy settings go along.
as_root() {
    local setting settings=(DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l)
    for setting in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        if [ -n "${!setting:-}" ]; then settings+=("$setting=${!setting}"); fi
    done
    if is_root; then
        env "${settings[@]}" "$@"
    else
        sudo -- env "${settings[@]}" "$@"
    fi
}

# May this user install? With a terminal sudo may ask for the password, once.
may_install() {
    if is_root; then return 0; fi
    command -v sudo >/dev/null || return 1
    if sudo -n true 2>/dev/null; then return 0; fi
    [ -t 0 ] && sudo -v
}

# Installs packages after a question; exits 3 with the line for an administrator when this user
# may not. NEEDS is what the sentence to the user begins with.
packages_install() { # NEEDS YES PACKAGE...
    local needs=$1 yes=$2 answer log=$var/install.log
    shift 2
    local line="apt-get update && apt-get install --no-install-recommends $*"
    if ! command -v apt-get >/dev/null; then
        die "$needs these packages (Debian's names), and there is no apt-get here to install them: $*"
    fi
    say "$needs these packages, which are not installed:"
    printf '  %s\n' "$*" | fold -s -w 96 | sed '2,$s/^/  /'
    if ! may_install; then
        say "$(id -un) may not install packages. An administrator can, as root, with:"
        say "  $line"
        exit 3
    fi
    if [ "$yes" = no ] && [ -t 0 ]; then
        read -r -p "Install them now with apt-get? [Y/n] " answer
        case $answer in '' | [Yy]*) ;; *) die "nothing was installed; the line is: $line" ;; esac
    fi
    say "installing them (the log is ${log#"$top"/}) ..."
    if ! as_root bash "$top/schema/local/install" "$@" >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        die "apt-get could not install the packages; the whole log is $log"
    fi
}

# What only the web pages need is asked for and installed where this user may install, and is no reason
# to stop anywhere else.
packages_ensure_pages() { # YES
    local missing
    missing=$(packages_missing "$packages_pages")
    if [ -z "$missing" ] || [ -n "${CALLTRACE_PAGES:-}" ] || [ ! -e "$top/api/ui/build.mjs" ]; then return; fi
    if ! command -v apt-get >/dev/null || ! may_install; then return; fi
    # shellcheck disable=SC2086  # a list of package names
    (packages_install "the web pages need" "$1" $missing) || say "going on without the web pages"
}

packages_ensure() { # YES
    local missing table=$packages_needed
    [ -n "${CALLTRACE_POSTGRES:-}" ] || table+=$'\n'$packages_postgres
    [ -n "${CALLTRACE_REDIS:-}" ] || table+=$'\n'$packages_redis
    missing=$(packages_missing "$table")
    if [ -z "$missing" ]; then return; fi
    # shellcheck disable=SC2086  # a list of package names
    packages_install "calltrace needs" "$1" $missing
    missing=$(packages_missing "$table")
    if [ -n "$missing" ]; then die "still missing after the installation: $missing"; fi
}
