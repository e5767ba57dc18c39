#!/bin/sh
# Every check, one line each: ok, FAIL (with the end of its output) or SKIP with the reason.
# Ends with 1 when a check failed. With CI set, a check may be skipped only for want of a GPU.
set -u
cd "$(dirname "$0")/.."
PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$HOME/.cargo/bin:$PATH"
export PATH CARGO_TERM_COLOR=never
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
failed=0

say() { printf '%-5s %s\n' "$1" "$2"; }

part() { # part NAME COMMAND...
    name=$1
    shift
    begun=$(date +%s)
    if "$@" >"$logs/log" 2>&1; then
        say ok "$name ($(($(date +%s) - begun)) s)"
    else
        failed=1
        say FAIL "$name: $*"
        tail -n 60 "$logs/log" | sed 's/^/      | /'
    fi
}

skip() { # skip NAME REASON [gpu]
    if [ -n "${CI:-}" ] && [ "${3:-}" != gpu ]; then
        failed=1
        say FAIL "$1: skipped, which is not allowed here: $2"
    else
        say SKIP "$1: $2"
    fi
}

# Of all builds this one takes longest; it has what the others leave of the machine.
nice sh tests/abi/run.sh instrumented >"$logs/instrumented" 2>&1 &
instrumented=$!
# R's own checks, on one processor, take as long as those of C, C++, Julia and the sanitizers, and run beside them.
(
    sh tests/r/run.sh install || exit 1
    touch "$logs/installed"
    while [ -d "$logs" ] && [ ! -e "$logs/compiled" ]; do sleep 1; done
    sh tests/r/run.sh check
) >"$logs/r" 2>&1 &
r=$!
# One profile and one set of features, so that the dependencies are compiled once.
part "release build" cargo build --release --locked --workspace
part "format" cargo fmt --all --check
part "clippy" cargo clippy --release --locked --workspace --all-targets -- -D warnings
for features in "" "hdf5,blosc"; do
    part "builds with features: ${features:-none}" \
        cargo check --release --locked -p cytosol -p cytosol-capi --no-default-features \
        --features "$features"
done
part "unit, property, format and end-to-end tests" cargo test --release --locked --workspace -q
part "documentation" env RUSTDOCFLAGS="-D warnings" \
    cargo doc --release --locked --no-deps -p cytosol -q
# Scripts that print their own parts; their lines are shown as they are.
suite() { # suite NAME COMMAND...
    name=$1
    shift
    "$@" >"$logs/suite" 2>&1 || {
        failed=1
        say FAIL "$name"
    }
    cat "$logs/suite"
    if [ -n "${CI:-}" ] && grep '^SKIP' "$logs/suite" | grep -vqi gpu; then
        failed=1
        say FAIL "$name: a check was skipped, which is not allowed here"
    fi
}
# The output of a script that was begun before, when it has ended; its status.
ended() { # ended PROCESS LOG
    wait "$1"
    status=$?
    cat "$2"
    return $status
}
touch "$logs/compiled"
suite "C ABI" sh tests/abi/run.sh plain
suite "C++" sh tests/cpp/run.sh
suite "Julia" sh tests/julia/run.sh
suite "README" sh tests/readme.sh
while [ ! -e "$logs/installed" ] && kill -0 "$r" 2>/dev/null; do sleep 1; done
suite "cross-language" sh tests/cross/run.sh
suite "instrumented build" ended $instrumented "$logs/instrumented"
suite "sanitizers and fuzzing" sh tests/abi/run.sh hardened
suite "R" ended $r "$logs/r"
part "demo" target/release/cyto demo --out "$logs/demo" --quiet
if command -v nvidia-smi >/dev/null 2>&1; then
    skip "GPU" "no kernels in this version" gpu
else
    skip "GPU" "no GPU on this machine" gpu
fi

if [ "$failed" = 0 ]; then
    echo "all checks passed"
else
    echo "some checks failed"
fi
exit "$failed"
