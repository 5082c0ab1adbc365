#!/bin/sh
# SPDX-FileCopyrightText: The Lorikeet authors
# SPDX-License-Identifier: Apache-2.0
#
# Keeps kernels.csv, the table of what each kernel uses on each architecture.
#
#   kernels.sh compile OBJECT COMMAND...   runs the compiler; what ptxas says goes to OBJECT.ptxas
#   kernels.sh table BUILD                 prints the table of a build with nvcc whose simt_up test ran
#   kernels.sh compiled BUILD              compares it with the committed one
#   kernels.sh launched BUILD              compares what needs no nvcc: names, threads, shared memory
#
# Both comparisons also fail where the committed table has a kernel that spills registers or cannot run.
#
# Registers, stack, spills and static shared memory are ptxas's words. Threads and dynamic shared
# memory are the most that the native tests launch a kernel with, from the executor.
set -u

here=$(dirname -- "$(readlink -f -- "$0")")
committed=$here/kernels.csv

compile() {
  object=$1
  shift
  "$@" 2>"$object.stderr"
  status=$?
  grep -v -e '^ptxas info' -e 'bytes stack frame' "$object.stderr" >&2
  case $object in *.cu.o) grep -e '^ptxas info' -e 'bytes stack frame' "$object.stderr" >"$object.ptxas" ;; esac
  rm -f "$object.stderr"
  return $status
}

# Of mangled names, one a line, whatever follows: as the sources write them, less their namespaces, and
# with no commas.
readable() {
  c++filt -p | sed -E 's/\(anonymous namespace\):://g; s/_INTERNAL_[0-9a-z_]+:://g; s/lk::(cuda::)?//g
    s/, / /g; s/ >/>/g'
}

# "launched KERNEL THREADS SHARED" of the simt_up test in build folder $1.
launches() {
  library=$1/native/simt/liblorikeet_simt.so
  {
    nm "$library" | sed -nE 's/^0*([0-9a-f]+) [tTwW] (.*)/name \1 \2/p'
    sed 's/^/launch /' "$1/native/simt/launches.txt"
  } | awk '
    $1 == "name" { name[$2] = $3; next }
    { print name[$2], $3, $4 }' | readable_first | sort | awk -F'\t' '
    $1 != last { if (last != "") print last "\t" threads "\t" shared; last = $1; threads = shared = 0 }
    $2 > threads { threads = $2 }
    $3 > shared { shared = $3 }
    END { if (last != "") print last "\t" threads "\t" shared }'
}

# Tab-separated lines whose first field, a mangled name, becomes readable.
readable_first() {
  tr ' ' '\t' | readable
}

# "KERNEL ARCH REGISTERS STACK STORES LOADS STATIC" of the objects in build folder $1. A kernel that
# several objects have is the same in each.
compiled() {
  find "$1/native/cuda" -name '*.cu.o.ptxas' -exec cat {} + | awk -v OFS='\t' '
    /Compiling entry function/ { split($0, part, "\047"); name = part[2]; arch = part[4] }
    /bytes stack frame/ { stack = $1; stores = $5; loads = $9 }
    / Used [0-9]+ registers/ {
      shared = 0
      for (i = 2; i <= NF; i++) if ($i ~ /^smem/) shared = $(i - 2)
      for (i = 2; i <= NF; i++) if ($i ~ /^registers/) registers = $(i - 1)
      print name, arch, registers, stack, stores, loads, shared
    }' | readable | sort -u
}

table() {
  { launches "$1" | sed 's/^/launched\t/'; compiled "$1" | sed 's/^/compiled\t/'; } | awk -F'\t' '
    function least(a, b) { return a < b ? a : b }
    # Blocks of a multiprocessor: limits of threads, blocks, registers (by 256 a warp) and shared
    # memory (1 KB a block is the system'"'"'s), CUDA C++ Programming Guide, "Compute Capabilities". A
    # launch that asks for more shared memory than a block may have there takes less, down to that.
    function blocks(arch, threads, registers, shared,   warps, most, each) {
      warps = threads / 32
      most = least(int(most_warps[arch] / warps), most_blocks[arch])
      each = int((registers * 32 + 255) / 256) * 256
      # Registers lie in four parts; a warp has its own in one of them.
      most = least(most, int(4 * int(65536 / 4 / each) / warps))
      shared = least(shared, (shared_kb[arch] - 1) * 1024)
      return least(most, int(shared_kb[arch] * 1024 / (shared + 1024)))
    }
    BEGIN {
      split("sm_80 64 32 164 sm_86 48 16 100 sm_89 48 24 100 sm_90 64 32 228 sm_100 64 32 228 sm_120 48 24 100", x, " ")
      for (i = 1; i in x; i += 4) { most_warps[x[i]] = x[i + 1]; most_blocks[x[i]] = x[i + 2]; shared_kb[x[i]] = x[i + 3] }
      print "kernel,arch,threads,registers,stack,spill_stores,spill_loads,static_shared,dynamic_shared,ctas_per_sm"
    }
    $1 == "launched" { threads[$2] = $3; dynamic[$2] = $4; next }
    !($2 in threads) { print "kernels: no test launches " $2 >"/dev/stderr"; wrong = 1; next }
    {
      printf "%s,%s,%d,%d,%d,%d,%d,%d,%d,%d\n", $2, $3, threads[$2], $4, $5, $6, $7, $8, dynamic[$2],
        blocks($3, threads[$2], $4, $8 + dynamic[$2])
    }
    END { exit wrong }'
}

# The version of nvcc that build folder $1 uses.
version() {
  sed -n 's/^set(CMAKE_CUDA_COMPILER_VERSION "\(.*\)")/\1/p' "$1"/CMakeFiles/*/CMakeCUDACompiler.cmake
}

# Compares files $1 (committed) and $2 (new), and says what to do.
same() {
  diff "$1" "$2" && return
  echo "kernels: native/cuda/kernels.csv (<) is not what this build has (>); docs/cuda.md says how to make it anew" >&2
  return 1
}

# On any architecture a kernel of the committed table spills no registers, and a block of it can run.
check_table() {
  awk -F, '
    /^#/ || $1 == "kernel" { next }
    $6 + $7 > 0 { printf "kernels: %s stores %d and loads %d spilled bytes on %s\n", $1, $6, $7, $2; wrong = 1 }
    $10 < 1 { printf "kernels: a block of %s has no room on a multiprocessor of %s\n", $1, $2; wrong = 1 }
    END { exit wrong }' "$committed" >&2
}

check_compiled() {
  check_table || return
  made_by=$(sed -n 's/^# nvcc //p' "$committed")
  if [ "$(version "$1")" != "$made_by" ]; then
    echo "skipped: kernels.csv is of nvcc $made_by, this build of $(version "$1")"
    return
  fi
  table "$1" >"$1/kernels.csv" || return
  # A build for fewer architectures has fewer rows.
  awk -F, 'NR == FNR { built[$2]; next } $2 in built' "$1/kernels.csv" "$committed" >"$1/committed.csv"
  grep -v '^#' "$1/kernels.csv" >"$1/compiled.csv"
  same "$1/committed.csv" "$1/compiled.csv"
}

check_launched() {
  check_table || return
  grep -v -e '^#' -e '^kernel,' "$committed" >"$1/committed.csv"
  [ -s "$1/committed.csv" ] || { echo "kernels: $committed has no rows" >&2; return 1; }
  awk -F, '{ print $1 "\t" $3 "\t" $9 }' "$1/committed.csv" | sort -u >"$1/committed.txt"
  launches "$1" >"$1/launched.txt"
  same "$1/committed.txt" "$1/launched.txt"
}

case ${1:-} in
compile)
  shift
  compile "$@"
  ;;
table)
  echo "# nvcc $(version "$2")"
  table "$2"
  ;;
compiled) check_compiled "$2" ;;
launched) check_launched "$2" ;;
*)
  echo "kernels: usage: kernels.sh compile OBJECT COMMAND... | table BUILD | compiled BUILD | launched BUILD" >&2
  exit 2
  ;;
esac
