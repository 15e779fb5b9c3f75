# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # the shared variables stand in common.sh
# Builds the two daemons and says where they lie.

api=          # path of calltrace-api: set by build_daemons
correlator=   # path of calltrace-correlator

# A newcomer gets the release build; a compiler newer than ours may warn and still build it.
# CALLTRACE_BUILD names a finished build directory to be used instead.
build_daemons() {
    local log=$var/build.log build=${CALLTRACE_BUILD:-$top/build/release}
    if [ -z "${CALLTRACE_BUILD:-}" ]; then
        say "building calltrace (a minute or two the first time; the log is var/build.log) ..."
        if ! (cd "$top" && cmake --preset release -DCALLTRACE_WERROR=OFF &&
            cmake --build --preset release --target calltrace-api calltrace-correlator) >"$log" 2>&1; then
            grep -E -A5 'error|Error|FAILED' "$log" | head -n 30 >&2 || tail -n 20 "$log" >&2
            die "the build failed; the whole log is $log"
        fi
    fi
    api=$build/api/calltrace-api
    correlator=$build/correlator/calltrace-correlator
    if is_root && ! owner_reaches "$(dirname "$api")"; then
        owned_directory "$state/bin"
        install -m 755 "$api" "$correlator" "$state/bin/"
        api=$state/bin/calltrace-api
        correlator=$state/bin/calltrace-correlator
    fi
}
