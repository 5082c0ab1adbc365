#!/bin/sh
# SPDX-FileCopyrightText: The Lorikeet authors
# SPDX-License-Identifier: Apache-2.0
#
# Names what the CUDA sources may not say: outside kernels/common/cuda whatever the executor has no
# twin of, so that it sees every access and every collective; anywhere, atomics, whose order is the
# hardware's, and questions after the architecture (native/cuda/CMakeLists.txt compiles one
# intermediate code for most). Comments may say anything.
set -u
cd "$(dirname -- "$0")/../.." || exit 2

# words FILES...: an awk program's complaint about each line that has one.
banned() {
  words=$1
  shift
  awk -v words="$words" '
    { code = $0; sub(/\/\/.*/, "", code) }
    match(code, words) {
      word = substr(code, RSTART, RLENGTH)
      sub(/^[^A-Za-z_<#]/, "", word)
      printf "%s:%d: %s: %s\n", FILENAME, FNR, word, $0
      found = 1
    }
    END { exit found }' "$@"
}

files=$(find kernels -name '*.cu' -o -name '*.cuh')
[ -n "$files" ] || { echo "lint: no CUDA sources in $PWD" >&2; exit 2; }
rooms=$(echo "$files" | grep -v '^kernels/common/cuda/')

wrong=0
# shellcheck disable=SC2086 # lists of names without spaces
banned '(^|[^A-Za-z_0-9])(asm[ (]|asm$|__asm|__shared__|__syncthreads|__syncwarp|__shfl|__ballot|__any_sync|__all_sync|__activemask|__match_|__reduce_|__cvta|__ldg|__ldcs|__stcs|__threadfence|__nanosleep|__pipeline|__half|__nv_bf|__float2|__bfloat|__popc|__ffs|__clz|__expf|__fdividef|nvcuda|cooperative_groups|clock64)|<<<|cp[.]async|mma[.]sync|#include <(cuda|mma|cooperative)' \
  $rooms || wrong=1
# shellcheck disable=SC2086
banned '(^|[^A-Za-z_0-9])(atomic[A-Z]|red[.]|__CUDA_ARCH)' $files || wrong=1
[ $wrong = 0 ] || echo "lint: use, or add to, the primitives of kernels/common/cuda (docs/cuda.md)" >&2
exit $wrong
