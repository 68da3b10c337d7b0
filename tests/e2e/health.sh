# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the tests of health share: a lab whose services are probed, servers with moods (tests/e2e/moody), visits all the time
# (tests/e2e/visits), and questions about a backend's health.

HEALTH_INTERVAL=500 # milliseconds
HEALTH_TIMEOUT=300
HEALTH_FALL=3
# From a death to the last new flow, as the design promises it.
# shellcheck disable=SC2034
HEALTH_BOUND=$((HEALTH_INTERVAL * HEALTH_FALL + HEALTH_TIMEOUT + 100))
HEALTH_PORT=8090 # moody servers

# health_service NAME ADDRESS FAMILY HEALTH [FIELD...]: a service of b1-b3 on port 80. HEALTH: fields of `health` besides the
# times; FIELDS: of the service, one a line.
health_service()
{
	local name=$1 address=$2 family=$3 health=$4 host field

	shift 4
	echo "  - name: $name"
	echo "    address: \"$address\""
	echo '    port: 80'
	echo '    protocol: tcp'
	echo "    health: {interval: ${HEALTH_INTERVAL}ms, timeout: ${HEALTH_TIMEOUT}ms, fall: $HEALTH_FALL, $health}"
	for field in "$@"; do
		echo "    $field"
	done
	echo '    backends:'
	for host in "${LAB_BACKENDS[@]}"; do
		echo "      - {address: \"$(lab_address "$host" "$family")\"}"
	done
}

# health_up: a lab without sluiced; the test writes $LAB_CONFIG and starts that.
health_up()
{
	local host

	lab_up no-sluice "$@"
	for host in "${LAB_BACKENDS[@]}"; do
		lab_attach_decap "$host"
		mood "$host" ok
		lab_start "$host" "moody-$host" "$PWD/tests/e2e/moody" $HEALTH_PORT "$LAB_RUN/$host/mood"
	done
}

# mood HOST WHAT...: see tests/e2e/moody.
mood()
{
	local host=$1

	shift
	echo "$*" >"$LAB_RUN/$host/mood"
}

# ---- what the agent says -------------------------------------------------------------------------------

# backend_field FIELD SERVICE HOST FAMILY: of `service show`; nothing where it is absent.
backend_field()
{
	lab_sluicectl -j service show "$2" | python3 -c '
import json, sys
for backend in json.load(sys.stdin)["data"]["backends"]:
    if backend["address"] == sys.argv[2]:
        print(backend.get(sys.argv[1], ""))' "$1" "$(lab_address "$3" "$4")"
}

# is_health STATE SERVICE HOST FAMILY
is_health()
{
	local state

	state=$(backend_field health "$2" "$3" "$4")
	echo "health: $state"
	[ "$state" = "$1" ]
}

# field_is FIELD VALUE SERVICE HOST FAMILY
field_is()
{
	local value

	value=$(backend_field "$1" "$3" "$4" "$5")
	echo "$1: $value"
	[ "$value" = "$2" ]
}

# prober_pid: of the prober of this lab; nothing: there is none.
prober_pid()
{
	pgrep -x sluice-prober --ns "$(lab_pid sluiced)" --nslist net || true
}

# ---- visits ----------------------------------------------------------------------------------------------

now_ms()
{
	date +%s%3N
}

# visits_start NAME ADDRESS...
visits_start()
{
	local name=$1

	shift
	lab_start client "visits-$name" tests/e2e/visits --log "$LAB_RUN/visits-$name.all" "$@"
}

# visits_end NAME: prints "VISITS FAILED".
visits_end()
{
	lab_signal "visits-$1" TERM && lab_wait 15 lab_is_gone "visits-$1"
	rm -f "$LAB_RUN/visits-$1.pid"
	sed -n 's/^visits \([0-9]*\), failed \([0-9]*\),.*/\1 \2/p' "$LAB_RUN/visits-$1.log" | tail -n 1
}

# last_lost NAME SINCE: when the last visit had started, in ms after SINCE, whose SYN or request was lost: it failed, or its SYN
# was sent again, a second later. Nothing: there was none.
last_lost()
{
	awk -v since="$2" '$1 >= since && ($3 == "-" || $2 - $1 >= 900) && $1 > last { last = $1 }
		END { if (last) print last - since }' "$LAB_RUN/visits-$1.all"
}

# last_failed NAME SINCE: when the last visit that failed had started, in ms after SINCE; nothing: none failed after it.
last_failed()
{
	awk -v since="$2" '$3 == "-" && $1 >= since && $1 > last { last = $1 }
		END { if (last) print last - since }' "$LAB_RUN/visits-$1.all"
}

# check_none_failed NAME VISITS: they have ended, were many, and none failed.
check_none_failed()
{
	local visits failed

	read -r visits failed < <(visits_end "$2")
	if [ "${visits:-0}" -gt 100 ] && [ "$failed" -eq 0 ]; then
		ok "$1 ($visits visits)"
	else
		not_ok "$1" "$failed of ${visits:-0} failed
$(grep '^failed' "$LAB_RUN/visits-$2.log" | head -n 20)"
	fi
}
