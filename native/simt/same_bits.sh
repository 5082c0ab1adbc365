#!/bin/sh
# SPDX-FileCopyrightText: The Lorikeet authors
# SPDX-License-Identifier: Apache-2.0
#
# Usage: same_bits.sh FIRST OTHER...: files of hashes (native/test/digests.cpp), one a schedule of the
# executor. Names every test whose results are not the same bits under each.
set -u
first=$1 wrong=0
shift
[ -s "$first" ] || { echo "same_bits: $first is missing or empty" >&2; exit 2; }
for other; do
  diff "$first" "$other" || { echo "same_bits: not the bits of $(basename "$first"): $other" >&2; wrong=1; }
done
awk '{ bytes += $2; if ($2 > 0) tests++ } END { print tests + 0 " tests, " bytes + 0 " bytes of results each"; exit tests < 50 }' \
  "$first" || wrong=1
exit $wrong
