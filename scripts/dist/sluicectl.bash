# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Completion of sluicectl. Commands, options and operands are read from `sluicectl --help`, so they are written once.

# Prints one command a line, as in its usage: "backend drain [--force] SERVICE ADDRESS".
_sluicectl_usages()
{
	sluicectl --help 2>/dev/null | sed -n '/^Options/q; s/^  \([a-z]\)/\1/p'
}

# Prints what a field holds in a list: _sluicectl_values FIELD COMMAND...
_sluicectl_values()
{
	local field=$1

	shift
	sluicectl -t 1 -j "$@" 2>/dev/null | grep -o "\"$field\": *\"[^\"]*\"" | sed 's/.*: *"//; s/"$//' | sort -u
}

_sluicectl()
{
	local current=${COMP_WORDS[COMP_CWORD]} usage words word i given
	local -a candidates=() typed=() names=()

	# The command and its operands: words before this one that are no options.
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-s | --socket | -t | --timeout) i=$((i + 1)) ;;
		-*) ;;
		*) typed+=("${COMP_WORDS[i]}") ;;
		esac
	done
	COMPREPLY=()
	while read -r usage; do
		# Names in small letters must match what was typed; the rest are options and operands.
		given=0
		words=0
		for word in $usage; do
			[[ $word =~ ^[a-z]+$ ]] || break
			if [ $words -lt ${#typed[@]} ] && [ "${typed[words]}" = "$word" ]; then
				given=$((given + 1))
			fi
			words=$((words + 1))
		done
		if [ $given -lt $words ]; then
			# Still a name to be typed, if what there is matches.
			if [ $given -eq ${#typed[@]} ]; then
				read -ra names <<<"$usage"
				candidates+=("${names[given]}")
			fi
			continue
		fi
		if [[ $current == -* ]]; then
			for word in $usage; do
				word=${word//[\[\]]/}
				[[ $word != --* ]] || candidates+=("$word")
			done
			continue
		fi
		# The operand whose turn it is.
		i=$((${#typed[@]} - words))
		for word in $usage; do
			word=${word//[\[\]]/}
			[[ $word =~ ^[A-Z] && $word != SECONDS ]] || continue
			if [ $i -gt 0 ]; then
				i=$((i - 1))
				continue
			fi
			case $word in
			FILE) mapfile -t -O ${#candidates[@]} candidates < <(compgen -f -- "$current") ;;
			SERVICE) mapfile -t candidates < <(_sluicectl_values name service list) ;;
			ADDRESS) mapfile -t candidates < <(_sluicectl_values address backend list \
				"${typed[${#typed[@]} - 1]}") ;;
			PROTO) candidates=(tcp udp) ;;
			esac
			break
		done
	done < <(_sluicectl_usages)
	if [[ $current == -* ]]; then
		candidates+=(--socket --json --timeout --help --version)
	fi
	mapfile -t COMPREPLY < <(compgen -W "${candidates[*]}" -- "$current" | sort -u)
}

complete -o default -F _sluicectl sluicectl
