#!/usr/bin/env bash
# Builds the programs twice, from two copies of the sources in two places with two build caches, and compares them byte for byte.
set -euo pipefail
cd "$(dirname "$0")/.."
top=$PWD
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

build() { # sources, cache, output
  for program in plomb plomb-boot plomb-verify; do
    (cd "$1" && GOCACHE="$2" CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags='-buildid= -s -w' -o "$3/$program" "./cmd/$program")
  done
}

mkdir -p "$work/a" "$work/b/deeper" "$work/out"
git archive HEAD | tar -x -C "$work/b/deeper"
git archive HEAD | tar -x -C "$work/a"
build "$work/a" "${GOCACHE:-$(go env GOCACHE)}" "$work/a-bin"
build "$work/b/deeper" "$work/cache" "$work/b-bin"
for program in plomb plomb-boot plomb-verify; do
  cmp "$work/a-bin/$program" "$work/b-bin/$program"
done
mkdir -p "$top/dist"
cp "$work"/a-bin/* "$top/dist/"
(cd "$top/dist" && sha256sum plomb plomb-boot plomb-verify | tee SHA256SUMS)
echo "reproducible: both builds are the same bytes"
