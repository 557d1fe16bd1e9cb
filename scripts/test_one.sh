#!/bin/bash
# Runs one test file for scripts/test.sh (which sets the environment read here) in a session of its
# own, so that whatever it starts can be found, counted and ended. Writes $weft_out/NAME.count with
# lines `passed N`, `failed N`, `skipped N`, and prints one line, or the whole story of a failure.
set -u
file=$1
name=${file##*/}; name=${name%.lua}
case $file in */regress/*) name=regress.$name ;; esac
base=$weft_out/$name
log=$base.log report=$base.report
tmp=$(mktemp -d "${TMPDIR:-/tmp}/weft-test.XXXXXX") || exit 1
: >"$log"; : >"$report"
export WEFT_REPORT=$report TMPDIR=$tmp
# Reports go to files: a child's report is then seen even if the test ignores how the child ended.
export ASAN_OPTIONS="$ASAN_OPTIONS_BASE:log_path=$base.san" UBSAN_OPTIONS="$UBSAN_OPTIONS_BASE:log_path=$base.san"
export TSAN_OPTIONS="$TSAN_OPTIONS_BASE:log_path=$base.san"
[ -f spec/lsan.supp ] && export LSAN_OPTIONS=suppressions=$PWD/spec/lsan.supp:print_suppressions=0
[ -f spec/tsan.supp ] && TSAN_OPTIONS=$TSAN_OPTIONS:suppressions=$PWD/spec/tsan.supp

case $file in
  *_spec.lua) cmd=("$weft_lua" "$weft_busted" -o scripts/busted_report.lua ${T:+--filter="$T"} "$file") ;;
  *) cmd=("$file") ;;
esac
if [ "$weft_san" = valgrind ]; then
  export WEFT_HEAP=off # so that every block is one of malloc's
  cmd=(valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite
       --num-callers=30 --fair-sched=yes --log-file="$base.san.%p" "${cmd[@]}")
fi

# Kernels that place programs at more random addresses than the thread sanitizer expects stop it at its
# start: under it, no randomness where that may be asked for.
prefix=()
if [ "$weft_san" = tsan ] && setarch -R true 2>/dev/null; then prefix=(setarch -R); fi

# The processes of session $1, one a line. The name in /proc/PID/stat may hold blanks: cut after its ')'.
session_pids() {
  local stat line
  for stat in /proc/[0-9]*/stat; do
    { read -r line <"$stat"; } 2>/dev/null || continue
    set -- "$1" ${line##*)} # state, ppid, pgrp, session
    if [ "$5" = "$1" ] && [ "$2" != Z ] && [ "$2" != X ]; then stat=${stat#/proc/}; echo "${stat%/stat}"; fi
  done
}

end_session() {
  local pids
  pids=$(session_pids "$1")
  [ -n "$pids" ] && kill -KILL $pids 2>/dev/null
}

trouble=()
began=${EPOCHREALTIME/./}
# A shell without job control starts background commands with SIGINT and SIGQUIT ignored, and nohup ignores SIGHUP: undo that,
# tests of signals rely on it.
setsid ${prefix[@]+"${prefix[@]}"} env --default-signal=INT,QUIT,HUP "${cmd[@]}" </dev/null >>"$log" 2>&1 &
pid=$!
trap 'end_session $pid; rm -rf "$tmp"; exit 130' INT TERM HUP

( trap 'kill -KILL $(jobs -p) 2>/dev/null; exit 0' TERM
  sleep "$weft_limit" &
  wait $!
  : >"$base.hang" # becomes the report as it was then
  bash scripts/stacks.sh -s $pid >"$base.stacks" 2>&1
  cp "$report" "$base.hang"
  # Ctrl-C may still get a Lua traceback out of it.
  kill -INT $pid 2>/dev/null && sleep 1
  end_session $pid ) </dev/null >/dev/null 2>&1 &
dog=$!

wait $pid 2>/dev/null
rc=$?
if [ -e "$base.hang" ]; then
  wait $dog 2>/dev/null
  report=$base.hang
  trouble+=("still running after $weft_limit s")
else
  kill -TERM $dog 2>/dev/null
  wait $dog 2>/dev/null
  if [ $rc -gt 128 ]; then trouble+=("killed by SIG$(kill -l $((rc - 128)))"); fi
  left=$(session_pids $pid)
  if [ -n "$left" ]; then
    trouble+=("left processes behind: $(for p in $left; do echo "$p ($(cat /proc/"$p"/comm 2>/dev/null))"; done | paste -sd' ')")
    end_session $pid
  fi
  left=$(ls -A "$tmp")
  [ -z "$left" ] || trouble+=("left temporary files behind: $(echo $left)")
fi
rm -rf "$tmp"
for f in "$base".san*; do
  if [ -s "$f" ]; then trouble+=("sanitizer report ${f##*/}"); else rm -f "$f"; fi
done

passed=0 failed=0 skipped=0 running='' ended=''
case $file in
  *_spec.lua)
    while IFS=$'\t' read -r what test; do
      case $what in
        run) running=$test ;;
        pass) passed=$((passed + 1)); running= ;;
        skip) skipped=$((skipped + 1)); running= ;;
        fail) failed=$((failed + 1)); running= ;;
        end) ended=1 ;;
      esac
    done <"$report"
    if [ ${#trouble[@]} = 0 ] && [ -z "$ended" ]; then trouble+=("the spec did not run to its end (exit status $rc)"); fi
    if [ -n "$running" ]; then trouble+=("during: $running"); fi
    if [ ${#trouble[@]} = 0 ] && [ $rc != 0 ] && [ $failed = 0 ]; then trouble+=("exit status $rc although no test failed"); fi
    if [ ${#trouble[@]} = 0 ] && [ $((passed + failed + skipped)) = 0 ] && [ -z "${T:-}" ]; then trouble+=("no test in it"); fi
    ;;
  *)
    if [ $rc != 0 ]; then
      [ ${#trouble[@]} = 0 ] && trouble+=("exit status $rc")
    elif [ ${#trouble[@]} = 0 ]; then
      passed=1
    fi
    ;;
esac
[ ${#trouble[@]} = 0 ] || failed=$((failed + 1))
printf 'passed %d\nfailed %d\nskipped %d\n' $passed $failed $skipped >"$base.count"

ms=$(( (${EPOCHREALTIME/./} - began) / 1000 ))
took=$(printf '%d.%d s' $((ms / 1000)) $((ms % 1000 / 100)))
shown=${file#"$PWD"/}
{
  flock 9
  if [ $failed = 0 ]; then
    printf 'ok    %-36s %4d passed%s  %s\n' "$shown" $passed "$([ $skipped = 0 ] || echo ", $skipped skipped")" "$took"
  else
    printf 'FAIL  %-36s %4d passed, %d failed  %s\n' "$shown" $passed $failed "$took"
    for t in ${trouble[@]+"${trouble[@]}"}; do printf '      %s\n' "$t"; done
    for f in "$log" "$base.stacks" "$base".san*; do
      [ -s "$f" ] || continue
      [ "$f" = "$log" ] || echo "      ${f##*/}:"
      # The whole file stays where it is; what is printed is bounded.
      if [ "$(wc -l <"$f")" -gt 300 ]; then
        head -n 150 "$f"; echo "... (all of it: $f)"; tail -n 150 "$f"
      else
        cat "$f"
      fi | sed 's/^/      | /'
    done
  fi
} 9>"$weft_out/.lock"
[ $failed = 0 ]
