# SPDX-FileCopyrightText: The Lorikeet authors
# SPDX-License-Identifier: Apache-2.0

# What every target of ours is compiled with.
add_library(lorikeet_options INTERFACE)
target_compile_options(lorikeet_options INTERFACE -Wall -Wextra $<$<BOOL:${LORIKEET_WERROR}>:-Werror>)
target_include_directories(lorikeet_options INTERFACE
  ${PROJECT_SOURCE_DIR}/native/include ${PROJECT_SOURCE_DIR}/kernels)

# The instruction sets a CPU kernel is compiled for: name, register bytes, flags. One binary
# carries them all and chooses when the device is opened.
set(LORIKEET_ISAS generic)
set(LORIKEET_ISA_generic -DLK_VECTOR_BYTES=16)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND LORIKEET_ISAS avx2 avx512 avx512_bf16)
  set(LORIKEET_ISA_avx2 -DLK_VECTOR_BYTES=32 -mavx2 -mfma)
  set(LORIKEET_ISA_avx512 -DLK_VECTOR_BYTES=64 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2
      -mfma -mprefer-vector-width=512)
  set(LORIKEET_ISA_avx512_bf16 ${LORIKEET_ISA_avx512} -mavx512bf16)
  # AMX, where compiler and assembler know it.
  set(LORIKEET_ISA_amx ${LORIKEET_ISA_avx512_bf16} -mamx-tile -mamx-bf16)
  # For tests, models of both on any AVX2. Of tiles that find no room in the registers the compiler makes
  # ten times the code, for minutes at -O3; and it passes registers that the machine does not have on the
  # stack without aligning that for them, unless told to.
  set(LORIKEET_WIDE_STACK -mpreferred-stack-boundary=6 -mincoming-stack-boundary=4)
  set(LORIKEET_MODELLED_ISAS avx512_model amx_model)
  set(LORIKEET_ISA_avx512_model -DLK_VECTOR_BYTES=64 -DLK_AVX512_MODEL -mavx2 -mfma -O1
      ${LORIKEET_WIDE_STACK})
  set(LORIKEET_ISA_amx_model ${LORIKEET_ISA_avx512_model} -DLK_TILE_MODEL)
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_FLAGS "-mamx-tile -mamx-bf16")
  check_cxx_source_compiles("int main() { asm(\"tdpbf16ps %tmm2, %tmm1, %tmm0\"); }" LORIKEET_AMX)
  unset(CMAKE_REQUIRED_FLAGS)
  if(LORIKEET_AMX)
    list(APPEND LORIKEET_ISAS amx)
    target_compile_definitions(lorikeet_options INTERFACE LK_AMX)
  endif()
endif()

# Adds SOURCES, compiled once for each of ISAS, to TARGET.
function(lorikeet_add_cpu_kernels TARGET ISAS)
  foreach(isa IN LISTS ISAS)
    add_library(${TARGET}_${isa} OBJECT ${ARGN})
    target_link_libraries(${TARGET}_${isa} PRIVATE lorikeet_options)
    # A kernel needs neither errno nor traps from floating point; it does need IEEE sums in the
    # order written. Vector types wider than the baseline never cross a translation unit.
    target_compile_options(${TARGET}_${isa} PRIVATE -O3 -fno-math-errno
      -fno-trapping-math -ffp-contract=fast -Wno-psabi -DLK_ISA=${isa} ${LORIKEET_ISA_${isa}})
    target_sources(${TARGET} PRIVATE $<TARGET_OBJECTS:${TARGET}_${isa}>)
  endforeach()
endfunction()
