# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # the shared variables stand in common.sh
# Builds the web pages (api/ui) where Node.js and npm are there. Without them, or without the packages
# that npm would fetch, calltrace runs all the same and says that it has no pages.

pages= # folder of the built pages; empty: none. Set by pages_build

pages_node_is_there() {
    command -v npm >/dev/null && command -v node >/dev/null &&
        [ "$(node --version | sed 's/^v//; s/\..*//')" -ge 18 ]
}

# Everything the pages are made of, so that a second up builds nothing.
pages_fingerprint() {
    # The files "tracing" are what the set-up page shows.
    (cd "$top" && find api/ui tests/clients -type f -not -path '*/node_modules/*' -not -path 'api/ui/test/*' \
        \( -path 'api/ui/*' -o -name 'tracing.*' \) -print0 | sort -z | xargs -0 sha256sum | sha256sum)
}

pages_compile() {
    local log=$var/pages.log stamp=$top/build/pages.stamp wanted
    wanted=$(pages_fingerprint)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && [ -e "$top/build/pages/index.html" ]; then return; fi
    say "building the web pages (the log is var/pages.log) ..."
    mkdir -p "$top/build"
    if ! (cd "$top/api/ui" && npm ci --omit=dev --ignore-scripts --no-audit --no-fund &&
        node build.mjs --out "$top/build/pages") >"$log" 2>&1; then
        return 1
    fi
    printf '%s\n' "$wanted" >"$stamp"
}

# CALLTRACE_PAGES names a finished folder to be used instead.
pages_build() {
    pages=${CALLTRACE_PAGES:-$top/build/pages}
    if [ -z "${CALLTRACE_PAGES:-}" ] && [ ! -e "$top/api/ui/build.mjs" ]; then
        pages=
    elif [ -z "${CALLTRACE_PAGES:-}" ] && ! pages_node_is_there; then
        say "there is no Node.js 18 with npm: calltrace runs without its web pages"
        pages=
    elif [ -z "${CALLTRACE_PAGES:-}" ] && ! pages_compile; then
        say "the web pages could not be built (the log is var/pages.log): calltrace runs without them"
        pages=
    fi
    if [ -n "$pages" ] && is_root && ! owner_reaches "$pages"; then
        rm -rf "$state/pages"
        mkdir -p "$state/pages"
        cp -R "$pages/." "$state/pages/"
        chown -R "$owner:$owner" "$state/pages"
        pages=$state/pages
    fi
}
