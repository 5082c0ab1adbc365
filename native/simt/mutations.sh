#!/bin/sh
# SPDX-FileCopyrightText: The Lorikeet authors
# SPDX-License-Identifier: Apache-2.0
#
# Applies the deliberate defects of mutations.txt to the CUDA sources, one at a time, and runs the
# tests that must notice on the executor. Prints each that goes unnoticed, and "N of M caught".
# Usage: mutations.sh BUILD [WORD]: the native build folder, with lorikeet_test built; only the lines
# that contain WORD.
set -u

here=$(dirname -- "$(readlink -f -- "$0")")
root=$(readlink -f -- "$here/../..")
[ $# -ge 1 ] && [ -x "$1/native/lorikeet_test" ] || {
  echo "mutations: usage: mutations.sh BUILD [WORD], with lorikeet_test built in BUILD" >&2
  exit 2
}
build=$(readlink -f -- "$1") word=${2:-}
work=$build/mutants
source=$work/source
schedules="up random:1 down round-robin"

# The defects go into a copy of the sources. Files that are the same keep their times, so that a
# second run builds little.
mkdir -p "$source" "$work/logs"
(cd "$root" && find CMakeLists.txt cmake kernels native bench -type f) | while read -r file; do
  cmp -s "$root/$file" "$source/$file" && continue
  mkdir -p "$(dirname -- "$source/$file")" && cp "$root/$file" "$source/$file" || exit 1
done || exit 1
quietly() { "$@" >"$work/logs/build.log" 2>&1; }

library=$work/build/native/simt/liblorikeet_simt.so
quietly cmake -G Ninja -S "$source" -B "$work/build" -DLORIKEET_CUDA=OFF &&
  quietly cmake --build "$work/build" --target lorikeet_simt || {
  echo "mutations: the sources do not build; see $work/logs/build.log" >&2
  exit 1
}

# Do the tests `$1` notice the library? Says which schedule did.
noticed() {
  for schedule in $schedules; do
    LORIKEET_SIMT_LIBRARY=$library LORIKEET_TEST_DEVICES=simt:$schedule \
      timeout 300 "$build/native/lorikeet_test" -aa=1 "-tc=$1" >"$work/logs/test.log" 2>&1 || return 0
  done
  return 1
}

caught=0 total=0 wrong=0
tab=$(printf '\t')
while IFS=$tab read -r file tests change; do
  case $file in '' | '#'*) continue ;; esac
  case "$file $tests $change" in *"$word"*) ;; *) continue ;; esac
  total=$((total + 1))
  mutant=$source/$file
  sed -E "$change" "$root/$file" >"$work/mutant" && [ -f "$mutant" ] || exit 1
  if cmp -s "$work/mutant" "$root/$file"; then
    echo "out of date, changes nothing: $file $change"
    wrong=$((wrong + 1))
    continue
  fi
  cp "$work/mutant" "$mutant"
  if ! quietly cmake --build "$work/build" --target lorikeet_simt; then
    echo "does not compile: $file $change"
    wrong=$((wrong + 1))
  elif noticed "$tests"; then
    caught=$((caught + 1))
    echo "caught ($schedule): $file $change"
  else
    echo "NOT CAUGHT: $file $change"
  fi
  cp "$root/$file" "$mutant"
done <"$here/mutations.txt"

echo "$caught of $total caught"
[ "$wrong" = 0 ] && [ "$total" -gt 0 ] && [ "$caught" = "$total" ]
