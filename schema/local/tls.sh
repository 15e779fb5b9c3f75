# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # the shared variables stand in common.sh
# The local CA and the server's certificate. Container images use this file too.

tls_ca_days=3650
tls_server_days=397
tls_renew_seconds=$((30 * 24 * 3600)) # a certificate that ends sooner is made anew

tls_is_address() { [[ $1 =~ ^[0-9]+(\.[0-9]+){3}$ || $1 == *:* ]]; }

tls_is_name() { [[ $1 =~ ^[A-Za-z0-9*]([A-Za-z0-9.-]*[A-Za-z0-9])?$ ]]; }

tls_subject_names() { # NAME...: the certificate's names in openssl's notation
    local name list=DNS:localhost,IP:127.0.0.1,IP:::1
    for name in "$@"; do
        if tls_is_address "$name"; then list+=,IP:$name; else list+=,DNS:$name; fi
    done
    echo "$list"
}

tls_make_ca() { # DIRECTORY
    if [ -s "$1/ca.pem" ] && [ -s "$1/ca.key" ]; then return; fi
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
        -days $tls_ca_days -subj "/CN=calltrace local CA $(date -u +%Y-%m-%d)" \
        -addext 'basicConstraints=critical,CA:TRUE,pathlen:0' \
        -addext 'keyUsage=critical,keyCertSign,cRLSign' \
        -keyout "$1/ca.key.new" -out "$1/ca.pem.new" 2>/dev/null
    rm -f "$1/server.pem" "$1/server.names"
    mv "$1/ca.key.new" "$1/ca.key"
    mv "$1/ca.pem.new" "$1/ca.pem"
}

# The certificate is kept while it holds the same names and does not end soon.
tls_make_server() { # DIRECTORY NAMES (openssl's notation)
    local wanted=$2
    if [ -s "$1/server.pem" ] && [ -s "$1/server.key" ] &&
        [ "$(cat "$1/server.names" 2>/dev/null)" = "$wanted" ] &&
        openssl x509 -in "$1/server.pem" -noout -checkend $tls_renew_seconds >/dev/null; then
        return
    fi
    printf '%s\n' 'basicConstraints=critical,CA:FALSE' 'keyUsage=critical,digitalSignature' \
        'extendedKeyUsage=serverAuth' 'subjectKeyIdentifier=hash' \
        'authorityKeyIdentifier=keyid' "subjectAltName=$wanted" >"$1/server.ext"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
        -subj '/CN=localhost' -keyout "$1/server.key.new" -out "$1/server.csr" 2>/dev/null
    openssl x509 -req -in "$1/server.csr" -CA "$1/ca.pem" -CAkey "$1/ca.key" -sha256 \
        -set_serial "0x$(openssl rand -hex 16 | sed 's/^./1/')" -days $tls_server_days \
        -extfile "$1/server.ext" -out "$1/server.pem.new" 2>/dev/null
    mv "$1/server.key.new" "$1/server.key"
    mv "$1/server.pem.new" "$1/server.pem"
    printf '%s\n' "$wanted" >"$1/server.names"
    rm -f "$1/server.csr" "$1/server.ext"
}

# Names once given with --name stay in the certificate.
tls_make() { # NAME...
    local tls=$state/tls name names
    name=$(hostname 2>/dev/null || cat /proc/sys/kernel/hostname)
    names=$({
        if tls_is_name "$name" && [ "$name" != localhost ]; then echo "$name"; fi
        cat "$tls/names" 2>/dev/null || true
        printf '%s\n' "$@"
    } | sed '/^$/d' | awk '!seen[$0]++')
    (
        umask 077
        printf '%s\n' "$names" >"$tls/names"
        tls_make_ca "$tls"
        # shellcheck disable=SC2086  # a list of names without spaces or wildcards' matches
        set -f && tls_make_server "$tls" "$(tls_subject_names $names)"
    ) || die "openssl could not make the certificate in $tls"
    tls_make_roots
    if is_root; then chown -R "$owner:$owner" "$tls"; fi
}

# Clients that take one file of roots get the system's (or the user's own) and ours.
tls_make_roots() {
    local roots=$state/tls/roots.pem file system=
    for file in "${SSL_CERT_FILE:-}" /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/cert.pem; do
        if [ -n "$file" ] && [ "$file" != "$roots" ] && [ -s "$file" ]; then
            system=$file
            break
        fi
    done
    { if [ -n "$system" ]; then cat "$system"; fi && cat "$state/tls/ca.pem"; } >"$roots.new"
    mv "$roots.new" "$roots"
    # The CA and the roots are public: whoever may enter the directory may read them.
    chmod 644 "$roots" "$state/tls/ca.pem"
}
