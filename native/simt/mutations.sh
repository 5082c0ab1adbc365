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
(cd "$source" && find . -type f) | while read -r file; do
  [ -f "$root/$file" ] || rm -f "$source/$file"
done
(cd "$root" && find CMakeLists.txt cmake kernels native bench -type f) | while read -r file; do
  cmp -s "$root/$file" "$source/$file" && continue
  mkdir -p "$(dirname -- "$source/$file")" && cp "$root/$file" "$source/$file" || exit 1
done || exit 1
quietly() { "$@" >"$work/logs/build.log" 2>&1; }

quietly cmake -G Ninja -S "$source" -B "$work/build" -DLORIKEET_CUDA=OFF || {
  echo "mutations: the sources do not configure; see $work/logs/build.log" >&2
  exit 1
}

# The room whose test.cpp has the tests `$1`.
room_of() {
  (cd "$root/kernels" && grep -l "TEST_CASE(\"${1%%[:*]*}" */test.cpp | head -n 1 | cut -d / -f 1)
}

# Builds the plug-in with the room `$1` alone.
built() { quietly cmake --build "$work/build" --target "lorikeet_simt_$1"; }

# Do the tests `$1` of the room `$2` pass on the schedule `$3`?
passes() {
  LORIKEET_SIMT_LIBRARY=$work/build/native/simt/$2/liblorikeet_simt.so LORIKEET_TEST_DEVICES=simt:$3 \
    timeout 300 "$build/native/lorikeet_test" -aa=1 "-tc=$1" >"$work/logs/test.log" 2>&1
}

# Do the tests `$1` of the room `$2` notice? Says which schedule did.
noticed() {
  for schedule in $schedules; do
    passes "$1" "$2" "$schedule" || return 0
  done
  return 1
}

# What fails without a defect cannot notice one. Each of the tests `$1` is looked at once.
sound() {
  case $looked_at in *"$tab$1$tab"*) return 0 ;; esac
  looked_at="$looked_at$tab$1$tab"
  built "$2" && passes "$1" "$2" up
}

caught=0 total=0 wrong=0 looked_at=''
tab=$(printf '\t')
while IFS=$tab read -r file tests change; do
  case $file in '' | '#'*) continue ;; esac
  case "$file $tests $change" in *"$word"*) ;; *) continue ;; esac
  total=$((total + 1))
  mutant=$source/$file room=$(room_of "$tests")
  sed -E "$change" "$root/$file" >"$work/mutant" && [ -f "$mutant" ] || exit 1
  if cmp -s "$work/mutant" "$root/$file"; then
    echo "out of date, changes nothing: $file $change"
    wrong=$((wrong + 1))
    continue
  fi
  if ! sound "$tests" "$room"; then
    echo "fails without a defect: $tests; see $work/logs"
    wrong=$((wrong + 1))
    continue
  fi
  cp "$work/mutant" "$mutant"
  if ! built "$room"; then
    echo "does not compile: $file $change"
    wrong=$((wrong + 1))
  elif noticed "$tests" "$room"; then
    caught=$((caught + 1))
    echo "caught ($schedule): $file $change"
  else
    echo "NOT CAUGHT: $file $change"
  fi
  cp "$root/$file" "$mutant"
done <"$here/mutations.txt"

echo "$caught of $total caught"
[ "$wrong" = 0 ] && [ "$total" -gt 0 ] && [ "$caught" = "$total" ]
