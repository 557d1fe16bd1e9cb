#!/bin/bash
# Prints every stack of some processes: by gdb where it is there, else what the kernel tells about
# each thread. With -t also those of their descendants, all of which are then killed; with -s the
# arguments are session ids, and all processes of those sessions are meant (and left alive).
#
#   scripts/stacks.sh [-t|-s] PID...
set -u
mode=
case ${1:-} in -t | -s) mode=$1; shift ;; esac

# Prints `pid ppid session` of each process that is not a zombie. The name in /proc/PID/stat may hold
# blanks and parentheses: what counts comes after its last ')'.
processes() {
  local stat line
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    set -- ${line##*)}
    case $1 in Z | X) continue ;; esac
    stat=${stat#/proc/}
    echo "${stat%/stat} $2 $4"
  done
}

# The processes among the arguments' trees (-t) or sessions (-s), one a line.
chosen() {
  local table pid ppid sid grown wanted=" $* "
  table=$(processes)
  if [ "$mode" = -s ]; then
    while read -r pid ppid sid; do
      case $wanted in *" $sid "*) echo "$pid" ;; esac
    done <<<"$table"
    return
  fi
  grown=1
  while [ $grown = 1 ]; do
    grown=0
    while read -r pid ppid sid; do
      case $wanted in *" $pid "*) continue ;; esac
      case $wanted in *" $ppid "*) wanted="$wanted$pid "; grown=1 ;; esac
    done <<<"$table"
  done
  for pid in $wanted; do echo "$pid"; done
}

print_stacks() {
  local task out
  echo "---- process $1: $(tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null)"
  if command -v gdb >/dev/null; then
    out=$(timeout -k 5 60 gdb -q -nx -batch -p "$1" -ex 'set pagination off' -ex 'thread apply all bt 40' </dev/null 2>/dev/null \
      | grep -Ev '^(\[New LWP|\[Thread debugging|Using host|warning:|\[Inferior)')
    # A debugger that may not attach has no stack to show.
    case $out in *'#0 '*) printf '%s\n' "$out"; return ;; esac
  fi
  for task in /proc/"$1"/task/*; do
    echo "thread ${task##*/} ($(cat "$task/comm" 2>/dev/null)): wchan $(cat "$task/wchan" 2>/dev/null)," \
      "syscall $(cat "$task/syscall" 2>/dev/null)"
    grep -E '^(State|SigPnd|SigBlk|voluntary)' "$task/status" 2>/dev/null | sed 's/^/  /'
    sed 's/^/  /' "$task/stack" 2>/dev/null
  done
}

case $mode in -t | -s) pids=$(chosen "$@") ;; *) pids=$* ;; esac
for p in $pids; do
  # Helpers of the test run itself say nothing about the test.
  case $(cat "/proc/$p/comm" 2>/dev/null) in sleep | timeout | xargs) continue ;; esac
  print_stacks "$p"
done
[ "$mode" = -t ] && [ -n "$pids" ] && kill -KILL $pids 2>/dev/null
exit 0
