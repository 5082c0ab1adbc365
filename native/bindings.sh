#!/bin/sh
# SPDX-FileCopyrightText: The Lorikeet authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes the Java bindings again from native/include/lorikeet.h, after the header has changed:
#
#   native/bindings.sh <folder of jextract's sources>
#
# jextract comes as source only: https://github.com/openjdk/jextract, at the commit below (another
# may order or word its output differently). It is compiled into build/jextract, with nothing but
#   JAVA_HOME  a JDK 25
#   LIBCLANG   the folder of LLVM 14's libclang.so (Debian: apt-get install libclang-14-dev),
#              /usr/lib/llvm-14/lib if unset
# The output is committed as it is, never edited.
set -eu

commit=f9866df3a178baa2e4a3746a7a6e458d783ace92
root=$(cd "$(dirname "$0")/.." && pwd)
header=$root/native/include/lorikeet.h
sources=$root/java/lorikeet-core/src/generated/java
package=io.github.lorikeet.core.ffi
tool=$root/build/jextract

if [ $# -ne 1 ] || [ ! -d "$1/src/main/java/org/openjdk/jextract" ]; then
  echo "usage: native/bindings.sh <folder of jextract's sources, commit $commit>" >&2
  exit 2
fi
: "${JAVA_HOME:?expected the folder of a JDK 25}"

rm -rf "$tool"
mkdir -p "$tool"
find "$1/src/main/java" -name '*.java' > "$tool/sources"
"$JAVA_HOME/bin/javac" -nowarn -d "$tool/classes" "@$tool/sources"
cp -R "$1/src/main/resources/." "$tool/classes/"

jextract() {
  "$JAVA_HOME/bin/java" -Djava.library.path="${LIBCLANG:-/usr/lib/llvm-14/lib}" \
    --enable-native-access=org.openjdk.jextract -p "$tool/classes" \
    -m org.openjdk.jextract/org.openjdk.jextract.JextractTool \
    --header-class-name Lorikeet --target-package "$package" "$@" "$header"
}

# Everything that the header declares itself, and nothing of the C library's. lk_device is opaque:
# its pointer is all there is.
jextract --dump-includes "$tool/all"
grep -E '^--include-(function|constant|struct) (lk_|LK_)' "$tool/all" |
  grep -vw 'lk_device ' > "$tool/ours"
rm -rf "${sources:?}"
jextract --output "$sources" "@$tool/ours"
