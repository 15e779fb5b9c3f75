# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # the shared variables stand in schema/local/common.sh
# The stages of ./calltrace test: what each needs, whether it is there, and how it runs.

stages_all='lint gcc clang unit asan tsan fuzz launcher e2e openapi pages clients sim chaos'
stages_quick='lint gcc unit smoke'
stages_long='e2e-asan e2e-tsan valgrind' # by name alone
build_seconds_max=900  # for one build
suite_seconds_max=1200 # for one pytest suite: a hanging suite must not take the whole run along
export CALLTRACE_NO_SKIP=${CALLTRACE_NO_SKIP:-}

# --- packages, in groups ------------------------------------------------------------------------

packages_unit='
libcmocka-dev   library cmocka
'
packages_clang='
clang           command clang
ccache          command ccache
'
packages_fuzz='
libclang-rt-dev runtime fuzzer
'
packages_lint='
clang           command clang
clang-format    command clang-format
clang-tidy      command clang-tidy
shellcheck      command shellcheck
pmccabe         command pmccabe
codespell       command codespell
'
packages_python='
python3-venv    module ensurepip
procps          command ps
iproute2        command ip
systemd         command systemd-analyze
'
packages_chaos='
faketime        command faketime
'
packages_valgrind='
valgrind        command valgrind
'
packages_browser='
chromium          command chromium
fonts-dejavu-core file /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
'

test_packages_ensure() { # GROUP...: build, servers, unit, clang, fuzz, lint, python, chaos, valgrind, pages, browser
    local group missing table=$packages_needed list
    for group in "$@"; do
        case $group in
            servers) table+=$packages_postgres$'\n'$packages_redis$'\n' ;;
            build) ;;
            *)
                list=packages_$group
                table+=${!list}
                ;;
        esac
    done
    missing=$(packages_missing "$table" | tr ' ' '\n' | awk '!seen[$0]++' | xargs)
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086  # a list of package names
        packages_install "the tests need" yes $missing
    fi
}

# --- runners ------------------------------------------------------------------------------------

build_preset() { # PRESET [TARGET...]
    local preset=$1 log=$top/build/logs/$1.log
    shift
    mkdir -p "$top/build/logs"
    if command -v ccache >/dev/null; then export CMAKE_C_COMPILER_LAUNCHER=ccache; fi
    if ! (cd "$top" && cmake --preset "$preset" &&
        timeout $build_seconds_max cmake --build --preset "$preset" \
            ${1:+--target "$@"}) >"$log" 2>&1; then
        grep -E -A8 'error|Error|FAILED' "$log" | head -n 60 || tail -n 20 "$log"
        echo "the $preset build failed; the whole log is $log"
        return 1
    fi
    echo "built $preset"
}

run_ctest() { # PRESET CTEST OPTIONS...
    local preset=$1
    shift
    ctest --test-dir "$top/build/$preset" --output-on-failure --no-tests=error -j"$(nproc)" "$@"
}

ctest_names() { # NAME: the tests that this short name means, as a regular expression
    local name=$1
    ctest --test-dir "$top/build/dev" -N | sed -nE 's/^ *Test +#[0-9]+: (.*)$/\1/p' |
        awk -v name="$name" '$0 == name || $0 == "unit_" name || $0 == "replay_" name ||
            $0 == "fuzz_replay_" name' | paste -sd'|'
}

venv_ensure() {
    local venv=$top/build/venv wanted
    wanted=$({ python3 --version && cat "$top/tests/requirements.txt"; } | sha256sum)
    if [ "$(cat "$venv/made-from" 2>/dev/null)" = "$wanted" ]; then return; fi
    echo "making build/venv ..."
    rm -rf "$venv"
    python3 -m venv "$venv"
    if ! "$venv/bin/pip" install --quiet --disable-pip-version-check \
        -r "$top/tests/requirements.txt" >"$top/build/logs/venv.log" 2>&1; then
        tail -n 5 "$top/build/logs/venv.log"
        return 1
    fi
    printf '%s' "$wanted" >"$venv/made-from"
}

venv_add() { # FILE: what one of the tools needs besides
    if ! "$top/build/venv/bin/pip" install --quiet --disable-pip-version-check \
        -r "$1" >"$top/build/logs/venv.log" 2>&1; then
        tail -n 5 "$top/build/logs/venv.log"
        return 1
    fi
}

pytest_path() { # NAME: the pytest argument that this name means; nothing when it means none
    local file=${1%%::*} test=
    if [ "$file" != "$1" ]; then test=::${1#*::}; fi
    local candidate
    for candidate in "$file" "tests/$file" "tests/$file.py" "tests/e2e/$file" "tests/e2e/$file.py" \
        "tests/launcher/$file.py" "tests/sim/$file.py" "tests/clients/$file.py" "tests/pages/$file.py"; do
        if [[ -e $top/$candidate && ($candidate == *.py || -d $top/$candidate) &&
            $candidate == tests/* ]]; then
            if [ -n "$(find "$top/$candidate" -name 'test_*.py' | head -n 1)" ]; then
                echo "$top/$candidate$test"
                return
            fi
        fi
    done
}

run_pytest() { # ARGUMENTS...
    venv_ensure
    (cd "$top/tests" && timeout -k 30 $suite_seconds_max \
        "$top/build/venv/bin/python" -m pytest "$@")
}

# Suites that mostly wait: some files at a time, each worker with servers of its own.
run_pytest_wide() { run_pytest -n 3 --dist loadfile "$@"; }

# As root in a mount namespace of its own, so that its small disks end with it however it ends.
run_chaos() { # ARGUMENTS...
    local inside=()
    if is_root && unshare --mount true 2>/dev/null; then inside=(unshare --mount); fi
    venv_ensure
    (cd "$top/tests" && PYTHONPATH=$top/tests exec ${inside[@]+"${inside[@]}"} \
        "$top/build/venv/bin/python" sim/marathon.py "$@")
}

has_tests() { [ -n "$(find "$top/tests/$1" -name 'test_*.py' 2>/dev/null | head -n 1)" ]; }

# --- stages -------------------------------------------------------------------------------------

stage_text() { # NAME: one line
    case $1 in
        lint) echo "formatting and the project's own rules" ;;
        gcc) echo "gcc build, warnings are errors" ;;
        clang) echo "clang build, warnings are errors; clang-tidy" ;;
        unit) echo "unit and replay tests" ;;
        asan) echo "unit and replay tests under AddressSanitizer and UBSan" ;;
        tsan) echo "threaded tests under ThreadSanitizer" ;;
        fuzz) echo "fuzz corpora replayed under AddressSanitizer and UBSan; each target fuzzed for 10 s" ;;
        smoke) echo "a few end to end tests" ;;
        launcher) echo "up, down, status, logs, demo" ;;
        e2e) echo "end to end: real daemons, Postgres, Redis, TLS" ;;
        openapi) echo "schemathesis: the REST side does what api/openapi.yaml says" ;;
        pages) echo "the web pages: types, unit tests, and in Chromium with axe-core" ;;
        clients) echo "real OpenTelemetry SDKs and API clients" ;;
        sim) echo "the simulation against the equation" ;;
        e2e-asan) echo "end to end, the daemons under AddressSanitizer and UBSan" ;;
        e2e-tsan) echo "end to end, the daemons under ThreadSanitizer" ;;
        valgrind) echo "unit and replay tests under Valgrind, and the main job with the daemons under it" ;;
        chaos) echo "each of the main faults once under load: nothing acknowledged is lost" ;;
    esac
}

stage_packages() { # NAME: groups of packages
    case $1 in
        lint) echo lint ;;
        gcc) echo build unit ;;
        fuzz) echo build unit clang fuzz ;;
        unit | asan | tsan) echo build unit servers ;;
        clang) echo build unit clang ;;
        pages) echo build unit servers python pages browser ;;
        smoke | launcher | e2e | openapi | clients) echo build unit servers python ;;
        sim | chaos) echo build unit servers python chaos ;;
        e2e-asan | e2e-tsan) echo build unit servers python ;;
        valgrind) echo build unit servers python valgrind ;;
    esac
}

stage_exists() { # NAME: suites that are not in this checkout are no stages
    case $1 in
        lint) [ -x "$top/tests/lint/run" ] ;;
        fuzz) [ -d "$top/tests/fuzz" ] ;;
        smoke) has_tests e2e ;;
        launcher | e2e | openapi | pages | clients | sim) has_tests "$1" ;;
        chaos) [ -e "$top/tests/sim/marathon.py" ] ;;
        e2e-asan | e2e-tsan | valgrind) has_tests e2e ;;
    esac
}

stage_lint() { "$top/tests/lint/run"; }

stage_gcc() { build_preset dev; }

stage_clang() {
    build_preset clang
    (cd "$top" && tests/lint/tidy build/clang)
}

stage_unit() {
    build_preset dev
    run_ctest dev -LE fuzz
}

stage_asan() {
    build_preset asan
    run_ctest asan -LE fuzz
}

# Only the tests that start threads are built and run here.
stage_tsan() {
    local targets
    (cd "$top" && cmake --preset tsan >"$top/build/logs/tsan.log" 2>&1)
    targets=$(ctest --test-dir "$top/build/tsan" -N -L threads |
        sed -nE 's/^ *Test +#[0-9]+: unit_(.*)$/test_\1/p' | xargs)
    # shellcheck disable=SC2086  # a list of target names
    build_preset tsan $targets
    run_ctest tsan -L threads
}

stage_fuzz() {
    build_preset asan
    run_ctest asan -L fuzz
    build_preset fuzz fuzzers
    "$top/tests/fuzz/run" --seconds 10
}

stage_smoke() {
    build_preset dev
    run_pytest e2e -m smoke
}

stage_launcher() {
    build_preset dev
    run_pytest launcher
}

stage_e2e() {
    build_preset dev
    run_pytest_wide e2e
}

stage_openapi() {
    build_preset dev
    run_pytest openapi
}

# Scripts of packages do not run; what the pages are made of comes as it is.
npm_packages() { # FOLDER
    if ! (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund) >"$top/build/logs/npm.log" 2>&1; then
        tail -n 5 "$top/build/logs/npm.log"
        echo "npm could not fetch the packages of ${1#"$top"/}"
        return 1
    fi
}

pages_packages() {
    npm_packages "$top/api/ui"
    npm_packages "$top/tests/pages"
}

pages_build() { (cd "$top/api/ui" && npm run --silent build); }

stage_pages() {
    build_preset dev
    pages_packages
    (cd "$top/api/ui" && npm run --silent check && npm run --silent test)
    pages_build
    run_pytest pages
}

stage_clients() {
    build_preset dev
    run_pytest_wide clients
}

stage_sim() {
    build_preset dev
    build_preset faults calltrace-api calltrace-correlator
    run_pytest sim
}

stage_chaos() {
    build_preset dev calltrace-api calltrace-correlator
    run_chaos --quick --seed "${CALLTRACE_CHAOS_SEED:-20261126}"
}

# --- by name alone: an hour and more ------------------------------------------------------------

run_sanitized() { # PRESET
    build_preset "$1"
    suite_seconds_max=5400
    CALLTRACE_BUILD=$top/build/$1 TSAN_OPTIONS=suppressions=$top/tests/unit/tsan.supp run_pytest_wide e2e -m "not plain"
}

stage_e2e-asan() { run_sanitized asan; }

stage_e2e-tsan() { run_sanitized tsan; }

# The preset runs each test of ctest under Valgrind, but the bus', whose largest message takes longer there than an api
# waits; the daemons are an ordinary build.
stage_valgrind() {
    local name files=()
    build_preset valgrind
    run_ctest valgrind -LE fuzz -E '^unit_bus_bus$'
    for name in thin_thread linking calls reads search timeline; do files+=("e2e/test_$name.py"); done
    suite_seconds_max=5400
    CALLTRACE_BUILD=$top/build/valgrind CALLTRACE_UNDER="valgrind -q --fair-sched=yes --leak-check=full --suppressions=$top/tests/unit/valgrind.supp" \
        run_pytest_wide "${files[@]}"
}
