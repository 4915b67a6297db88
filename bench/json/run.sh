#!/bin/sh
# Builds and runs the measurement of json/ beside simdjson and RapidJSON (Debian: libsimdjson-dev rapidjson-dev).
# Usage: bench/json/run.sh [how many times the usual number of rounds]; BUILD says where to build. Exit 2: a goal was missed.
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}/bench-json
mkdir -p "$build"
objects=
for source in json/*.c; do
    object=$build/$(basename "$source" .c).o
    ${CC:-cc} -std=c11 -O2 -D_GNU_SOURCE -I. -c -o "$object" "$source"
    objects="$objects $object"
done
# shellcheck disable=SC2086 # a list of files
${CXX:-c++} -std=c++17 -O2 -D_GNU_SOURCE -I. -o "$build/bench" bench/json/bench.cc $objects -lsimdjson
exec "$build/bench" "$@"
