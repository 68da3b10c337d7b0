# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the end-to-end tests share. A test reads this, makes its lab (scripts/lab.sh), and names its cases by check and
# its kin. Cases go on after a failure; anything else that fails ends the test. However it ends, its lab is
# taken down and the summary `N passed, N failed` printed.
set -eEuo pipefail
shopt -s inherit_errexit

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
LAB_INSTANCE=${LAB_INSTANCE:-e$$}
# Who answers is asked right after a change. tests/e2e/tracking.sh is for those that ask what becomes of flows.
LAB_TRACKING=never
# shellcheck source=scripts/lab.sh
. scripts/lab.sh

E2E_PASSED=0
E2E_FAILED=0
E2E_SKIPPED=0
E2E_DONE=
E2E_INTERRUPTED=
E2E_TEMP=$(mktemp -d)
E2E_OUTPUT=$E2E_TEMP/output # of the last case's command

# ---- cases -----------------------------------------------------------------------------------------------

ok()
{
	echo "ok - $1"
	E2E_PASSED=$((E2E_PASSED + 1))
}

# not_ok NAME [WHY]
not_ok()
{
	echo "not ok - $1"
	[ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/    /'
	E2E_FAILED=$((E2E_FAILED + 1))
}

# skip NAME WHY
skip()
{
	echo "skip - $1: $2"
	E2E_SKIPPED=$((E2E_SKIPPED + 1))
}

# check NAME COMMAND...: the command succeeds.
check()
{
	local name=$1

	shift
	if "$@" >"$E2E_OUTPUT" 2>&1; then
		ok "$name"
	else
		not_ok "$name" "failed: $*
$(tail -n 30 "$E2E_OUTPUT")"
	fi
}

# check_equal NAME EXPECTED ACTUAL
check_equal()
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1" "expected: $2
     got: $3"
	fi
}

# check_within NAME SECONDS COMMAND...: the command succeeds before so many seconds are over.
check_within()
{
	local name=$1 seconds=$2

	shift 2
	if lab_wait "$seconds" quietly "$@"; then
		ok "$name"
	else
		not_ok "$name" "still fails after $seconds s: $*
$(tail -n 30 "$E2E_OUTPUT")"
	fi
}

quietly()
{
	"$@" >"$E2E_OUTPUT" 2>&1
}

# check_refused NAME CODE PATTERN COMMAND...: exit code and a text (extended regular expression) that it prints.
check_refused()
{
	local name=$1 expected=$2 pattern=$3 code=0

	shift 3
	"$@" >"$E2E_OUTPUT" 2>&1 || code=$?
	if [ $code -ne "$expected" ]; then
		not_ok "$name" "exit code $code instead of $expected: $*
$(tail -n 30 "$E2E_OUTPUT")"
	elif [ -n "$pattern" ] && ! grep -Eq -e "$pattern" "$E2E_OUTPUT"; then
		not_ok "$name" "/$pattern/ is not in the output of: $*
$(tail -n 30 "$E2E_OUTPUT")"
	else
		ok "$name"
	fi
}

# shows PATTERN COMMAND...: for check; the command succeeds and prints what matches (extended regular expression).
shows()
{
	local pattern=$1 output

	shift
	output=$("$@" 2>&1) || { echo "$output"; return 1; }
	echo "$output"
	grep -Eq -e "$pattern" <<<"$output"
}

finish()
{
	local status=$1

	trap '' INT TERM HUP PIPE
	set +e
	if [ -z "$E2E_DONE" ]; then
		if [ -z "$E2E_INTERRUPTED" ]; then
			not_ok 'the test reaches its end' "ended with $status at ${E2E_LINE:-?}: ${E2E_COMMAND:-}"
		fi
		E2E_FAILED=$((E2E_FAILED + (E2E_FAILED == 0)))
	fi
	[ $E2E_FAILED -eq 0 ] || show_logs
	lab_down
	rm -rf "$E2E_TEMP"
	if [ $E2E_SKIPPED -gt 0 ]; then
		echo "$E2E_PASSED passed, $E2E_FAILED failed, $E2E_SKIPPED skipped"
	else
		echo "$E2E_PASSED passed, $E2E_FAILED failed"
	fi
	[ $E2E_FAILED -eq 0 ] || exit 1
	exit "$status"
}

show_logs()
{
	local log

	for log in "$LAB_RUN"/sluiced.log "$LAB_RUN"/decap-*.log; do
		[ -s "$log" ] || continue
		echo "--- the end of ${log##*/}"
		tail -n 25 "$log"
	done
}

# The last line of every test.
done_testing()
{
	E2E_DONE=1
	exit 0
}

trap 'E2E_LINE=${BASH_SOURCE[0]}:$LINENO E2E_COMMAND=$BASH_COMMAND' ERR
trap 'finish $?' EXIT
trap 'E2E_INTERRUPTED=1; exit 130' INT
trap 'E2E_INTERRUPTED=1; exit 143' TERM HUP
trap 'E2E_INTERRUPTED=1; exit 141' PIPE

# ---- requests -------------------------------------------------------------------------------------------

# url ADDRESS [PORT]: with the brackets that IPv6 needs.
url()
{
	case $1 in
	*:*) echo "http://[$1]:${2:-80}/" ;;
	*) echo "http://$1:${2:-80}/" ;;
	esac
}

# request URL [CURL OPTION...]: one request from the client; fails unless the answer is 2xx within 3 s.
request()
{
	lab_in client curl -gsS --fail -m 3 "$@"
}

# who_answers COUNT URL: that many connections, one after the other; prints "COUNT NAME" for each that
# answered, and "COUNT failed" for those without an answer.
who_answers()
{
	{ lab_in client curl -s -m 3 -H 'Connection: close' -w '%{http_code}\n' "${2}?[1-$1]" || true; } |
		awk '/^b[0-9]$/ { n[$1]++ } /^[0-9]+$/ && $1 != 200 { n["failed"]++ }
		     END { for (name in n) print n[name], name }' | sort -k 2
}

# count_of NAME <"COUNT NAME" lines
count_of()
{
	awk -v name="$1" '$2 == name { n = $1 } END { print n + 0 }'
}

# answered: how many in such lines are of somebody.
answered()
{
	awk '$2 != "failed" { n += $1 } END { print n + 0 }'
}

# all_answer COUNT URL: succeeds when none failed.
all_answer()
{
	local answers

	answers=$(who_answers "$1" "$2")
	echo "$answers"
	[ "$(answered <<<"$answers")" = "$1" ]
}

# none_from NAME COUNT URL: all are answered, and none by that backend.
none_from()
{
	local answers

	answers=$(who_answers "$2" "$3")
	echo "$answers"
	[ "$(count_of failed <<<"$answers")" = 0 ] && [ "$(count_of "$1" <<<"$answers")" = 0 ]
}

# some_from NAME COUNT URL
some_from()
{
	local answers

	answers=$(who_answers "$2" "$3")
	echo "$answers"
	[ "$(count_of failed <<<"$answers")" = 0 ] && [ "$(count_of "$1" <<<"$answers")" -gt 0 ]
}

# datagrams COUNT ADDRESS [OPTION...]: who answers datagrams from as many sockets (tests/e2e/datagrams).
datagrams()
{
	lab_in client tests/e2e/datagrams "$@"
}

# all_datagrams COUNT ADDRESS [OPTION...]: succeeds when all are answered.
all_datagrams()
{
	local answers

	answers=$(datagrams "$@")
	echo "$answers"
	[ "$(answered <<<"$answers")" = "$1" ]
}

# load_start NAME SECONDS URL: new connections all the time, in the background; load_end waits for its end and prints
# "REQUESTS FAILED".
load_start()
{
	lab_start client "load-$1" wrk -t 1 -c 8 -d "${2}s" --timeout 2s -H 'Connection: close' "$3"
}

load_end()
{
	lab_wait 30 lab_is_gone "load-$1"
	awk '/requests in/ { requests = $1 }
	     /Socket errors:/ { gsub(",", ""); failed += $4 + $6 + $8 + $10 }
	     /Non-2xx/ { failed += $NF }
	     END { print requests + 0, failed + 0 }' "$LAB_RUN/load-$1.log"
	rm -f "$LAB_RUN/load-$1.pid" "$LAB_RUN/load-$1.log"
}

# check_load NAME LOAD: the load has ended with many requests, and none failed.
check_load()
{
	local requests failed

	read -r requests failed < <(load_end "$2")
	if [ "$requests" -gt 100 ] && [ "$failed" -eq 0 ]; then
		ok "$1 ($requests requests)"
	else
		not_ok "$1" "$failed of $requests requests failed"
	fi
}

# ---- the agent -------------------------------------------------------------------------------------------

# json FIELD [SLUICECTL ARGUMENT...]: the first field of that name in a -j document.
json()
{
	local field=$1

	shift
	lab_sluicectl -j "$@" | python3 -c '
import json, sys
def find(value, name):
    if isinstance(value, dict):
        if name in value:
            return value[name]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            found = find(item, name)
            if found is not None:
                return found
    return None
found = find(json.load(sys.stdin), sys.argv[1])
print("" if found is None else found)' "$field"
}

revision()
{
	json revision status
}

# ready_backends SERVICE
ready_backends()
{
	json backends_ready service show "$1"
}

# is_ready SERVICE COUNT
is_ready()
{
	[ "$(ready_backends "$1")" = "$2" ]
}

# packets SERVICE: that were sent to its backends.
packets()
{
	json packets service show "$1"
}

# The id of the program that packets to the balancer meet.
program()
{
	lab_ip lb -d link show dev eth0 | sed -n 's/.*prog\/xdp id \([0-9]*\).*/\1/p'
}

# verdict NAME: packets that ended so.
verdict()
{
	lab_sluicectl -j counters | python3 -c '
import json, sys
for line in json.load(sys.stdin)["data"]["verdicts"]:
    if line["verdict"] == sys.argv[1]:
        print(line["packets"])' "$1"
}

# link_id DEVICE: the kernel's number of the pinned link.
link_id()
{
	bpftool -j link show pinned "$LAB_PINS/lb/links/$1" | sed 's/.*"id": *\([0-9]*\).*/\1/; s/,.*//'
}

# has_xdp HOST DEVICE
has_xdp()
{
	lab_ip "$1" -d link show dev "$2" | grep -q 'prog/xdp'
}

# Every backend of a full configuration takes flows.
wait_ready()
{
	local service

	for service in "$@"; do
		lab_wait 10 is_ready "$service" 3 || {
			lab_say "$service does not get its backends ready"
			lab_sluicectl service show "$service" >&2
			return 1
		}
	done
}

# ---- whole files -------------------------------------------------------------------------------------------

# download URL, upload URL: the lab's big file, compared byte by byte.
download()
{
	local sum

	sum=$(lab_in client curl -gsS --fail -m 30 "$1files/big" | sha256sum | cut -d' ' -f1)
	[ "$sum" = "$(cat "$LAB_RUN/files/big.sha256")" ]
}

# An upload lands on one backend; its name says where.
upload()
{
	local name=$RANDOM$RANDOM headers host sum

	headers=$(lab_in client curl -gsS --fail -m 30 -D - -o /dev/null -T "$LAB_RUN/files/big" "$1uploads/$name")
	host=$(tr -d '\r' <<<"$headers" | sed -n 's/^X-Backend: //p' | tail -n 1)
	sum=$(sha256sum <"$LAB_RUN/$host/uploads/$name" | cut -d' ' -f1)
	rm -f "$LAB_RUN/$host/uploads/$name"
	[ "$sum" = "$(cat "$LAB_RUN/files/big.sha256")" ]
}
