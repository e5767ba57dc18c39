# For scripts that print one line per part. The script sets `suite` (its name) and `out` (a folder for logs).
failed=0

have() { command -v "$1" >/dev/null 2>&1; }

# part NAME COMMAND...: runs it with its output in a log; status 77 is a skip whose reason is the last line.
part() {
    label=$1
    shift
    log="$out/$label.log"
    begun=$(date +%s)
    ("$@") >"$log" 2>&1 </dev/null
    case $? in
    0) echo "ok    $suite/$label ($(($(date +%s) - begun)) s)" ;;
    77) echo "SKIP  $suite/$label: $(tail -n 1 "$log")" ;;
    *)
        echo "FAIL  $suite/$label: $log"
        tail -n 25 "$log" | sed 's/^/      | /'
        failed=1
        ;;
    esac
}

skip() {
    echo "$*"
    exit 77
}

# note NAME PATTERN: shows the lines of a part's log that say something worth reading.
note() {
    grep -h "$2" "$out/$1.log" | sed 's/^/      /'
}
