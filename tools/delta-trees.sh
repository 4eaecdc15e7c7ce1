#!/usr/bin/env bash
# Makes two trees of a Debian system in which 22 packages differ in version, as tar files and as ext4 images, for
# `plomb bench update --old DIR/old.tar --new DIR/new.tar`.
#
#   tools/delta-trees.sh DIR
#
# Takes the lowest and the highest version of each package that the configured sources of Debian 12 offer (release, updates, security) and
# writes them to DIR/versions, so that a report can say what was compared. Needs apt, dpkg-deb, tar and, for the images, mke2fs.
set -euo pipefail
dir=${1:?where to}
upgraded="openssl libssl3 libcurl4 libpython3.11-minimal libpython3.11-stdlib python3.11-minimal libxml2 libnss3 libsystemd0 systemd udev
  openssh-client libexpat1 libglib2.0-0 sudo perl-base perl-modules-5.36 libperl5.36 postgresql-15 libnode108 bind9-libs git"
same="libc6 coreutils bash dpkg libicu72 vim-runtime libstdc++6 tzdata fonts-dejavu-core iso-codes libavcodec59"

mkdir -p "$dir"/{deb/old,deb/new,deb/same}
cd "$dir"
fetch() { (cd "deb/$1" && apt-get download -qq "${@:2}"); }
: >versions
for p in $upgraded; do
  versions=$(apt-cache madison "$p" | awk '{print $3}' | sort -uV)
  low=$(head -n 1 <<<"$versions") high=$(tail -n 1 <<<"$versions")
  echo "$p $low $high" >>versions
  fetch old "$p=$low"
  fetch new "$p=$high"
done
# shellcheck disable=SC2086
fetch same $same

id=11111111-2222-3333-4444-555555555555
for side in old new; do
  rm -rf tree && mkdir tree
  for f in deb/same/*.deb deb/$side/*.deb; do dpkg-deb -x "$f" tree; done
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C tree -cf $side.tar .
  if command -v mke2fs >/dev/null; then
    rm -rf tree && mkdir tree && tar -C tree -xf $side.tar
    E2FSPROGS_FAKE_TIME=1700000000 mke2fs -q -t ext4 -d tree -U $id -E hash_seed=$id,lazy_itable_init=0,lazy_journal_init=0 -F $side.ext4 700M
  fi
done
rm -rf tree
