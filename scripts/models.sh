#!/bin/bash
# Checks the models of spec/models with spin: each as it is must have no error in any interleaving, and each with one
# of its bugs seeded (-DBUG=1 ...) must have one. The number of bugs is in the model's comment: `BUGS n`.
#
#   scripts/models.sh [DIR]     DIR: where to build, default build/models     (make models)
set -u
cd "$(dirname "$0")/.." || exit 2
dir=${1:-build/models}
command -v spin >/dev/null || { echo "models: spin is not installed (Debian: apt-get install spin): nothing was checked" >&2; exit 1; }
bad=0

# $1 model, $2 bug: prints "errors states depth"
check() {
  local at=$dir/${1##*/}.$2 optimise=-O0 # a seeded bug is found soon, the compiler takes longer
  [ "$2" != 0 ] || optimise=-O2
  rm -rf "$at" && mkdir -p "$at" || return 1
  cp "$1" "$at/model.pml"
  (cd "$at" && spin -a -DBUG="$2" model.pml && ${CC:-gcc} $optimise -w -DSAFETY -DMEMLIM=2048 -o pan pan.c && ./pan -m200000 -w24) >"$at/log" 2>&1 || return 1
  if grep -q 'max search depth too small\|out of memory' "$at/log"; then return 1; fi
  awk '/errors:/ { e = $NF } /states, stored/ { s = $1 } END { if (e == "") exit 1; printf "%d %d\n", e, s }' "$at/log"
}

for model in spec/models/*.pml; do
  bugs=$(sed -n 's/.*BUGS \([0-9][0-9]*\).*/\1/p' "$model" | head -n 1)
  name=${model##*/}
  for ((bug = 0; bug <= bugs; bug++)); do
    if ! out=$(check "$model" "$bug"); then
      echo "FAIL  $name, bug $bug: it could not be checked; see $dir/$name.$bug/log"
      bad=$((bad + 1))
      continue
    fi
    read -r errors states <<<"$out"
    if [ "$bug" = 0 ] && [ "$errors" = 0 ]; then
      echo "ok    $name: no error in $states states"
    elif [ "$bug" != 0 ] && [ "$errors" != 0 ]; then
      echo "ok    $name, bug $bug: found"
    elif [ "$bug" = 0 ]; then
      echo "FAIL  $name: an error; see $dir/$name.0 (spin -t -p model.pml)"
      bad=$((bad + 1))
    else
      echo "FAIL  $name, bug $bug: not found in $states states"
      bad=$((bad + 1))
    fi
  done
done
if [ $bad = 0 ]; then echo "models: all hold, every seeded bug is found"; else echo "models: $bad wrong"; fi
[ $bad = 0 ]
