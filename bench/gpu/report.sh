#!/bin/sh
# SPDX-FileCopyrightText: The Lorikeet authors
# SPDX-License-Identifier: Apache-2.0
#
# Usage: report.sh LINES DEVICE JSON MARKDOWN: lines of JSON, one a case and round, into one JSON file
# and a table with a row a case, a column a contender, microseconds: the median of the rounds.
set -u
lines=$1 device=$2 json=$3 markdown=$4
[ -s "$lines" ] || { echo "report: no measurements" >&2; exit 1; }
{
  printf '{"device": "%s",\n "measurements": [\n' "$device"
  sed '$!s/$/,/' "$lines"
  printf ']}\n'
} >"$json"
awk -v device="$device" '
  function text(name) { return match($0, "\"" name "\": \"[^\"]*\"") ? substr($0, RSTART + length(name) + 5, RLENGTH - length(name) - 6) : "" }
  function number(name) { return match($0, "\"" name "\": [0-9.]+") ? substr($0, RSTART + length(name) + 4, RLENGTH - length(name) - 4) + 0 : 0 }
  function median(key,   n, i, j, v, x) {
    n = count[key]
    for (i = 1; i <= n; i++) v[i] = us[key, i]
    for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) { x = v[j]; v[j] = v[j - 1]; v[j - 1] = x }
    return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
  }
  {
    c = text("case"); by = text("by")
    if (!(c in seen)) { seen[c] = 1; cases[++case_count] = c }
    if (!(by in known)) { known[by] = 1; contenders[++contender_count] = by }
    us[c SUBSEP by, ++count[c, by]] = number("us")
  }
  END {
    printf "%s\n\nViT-B, batch 64, bf16; microseconds, L2 flushed before each call, median of rounds in turn.\n\n", device
    line = "| |"; rule = "|---|"
    for (b = 1; b <= contender_count; b++) { line = line " " contenders[b] " |"; rule = rule "---:|" }
    print line "\n" rule
    for (c = 1; c <= case_count; c++) {
      line = "| " cases[c] " |"
      for (b = 1; b <= contender_count; b++) {
        key = cases[c] SUBSEP contenders[b]
        line = line " " (key in count ? sprintf("%.1f", median(key)) : "") " |"
      }
      print line
    }
  }' "$lines" >"$markdown"
