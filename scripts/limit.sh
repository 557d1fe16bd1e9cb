#!/bin/bash
# Runs a command under a time limit; if the limit passes, every stack of it and of its descendants is
# printed to a file before they are killed, and the exit status is 124. Standard streams are the
# command's own. SIGINT, SIGQUIT and SIGHUP have their default effect in the command.
#
#   scripts/limit.sh SECONDS STACKS COMMAND [ARG...]
#
# Used by spec/helper.lua for child scripts. It makes no session of its own: what the command leaves
# behind stays in the session of the test, whose runner finds it.
set -u
limit=$1 stacks=$2
shift 2
here=${0%/*}

exec 3<&0 # a background command would read /dev/null
env --default-signal=INT,QUIT,HUP "$@" <&3 3<&- &
pid=$!
exec 3<&-

(
  # KILL: a TERM may meet the child before it has become sleep, and be lost.
  trap 'kill -KILL $(jobs -p) 2>/dev/null; exit 0' TERM
  sleep "$limit" &
  wait $!
  bash "$here/stacks.sh" -t "$pid" >"$stacks" 2>&1
) </dev/null >/dev/null 2>&1 &
dog=$!

# On a signal meant for the group the command decides how to end; it is only passed on.
trap 'kill -TERM $pid 2>/dev/null' TERM
trap '' INT
wait $pid 2>/dev/null
rc=$?
kill -TERM $dog 2>/dev/null
wait $dog 2>/dev/null
[ -s "$stacks" ] && exit 124
exit $rc
