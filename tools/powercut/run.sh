#!/usr/bin/env bash
# Cuts the power of a virtual machine: a real kernel, a real ext4, a block device whose every write and flush QEMU notes.
# Then builds the disk as it could have been at each of many moments, mounts it and opens the journal on it.
#
#   tools/powercut/run.sh [POINTS]     200 moments unless told otherwise; 0: at every flush
#
# Needs root (loop mounts) and, from Debian: qemu-system-x86, cpio, e2fsprogs. The kernel is unpacked from Debian's
# package linux-image-cloud-amd64 and not installed. Takes some minutes: the machine is emulated.
set -euo pipefail
cd "$(dirname "$0")/../.."
points=${1:-200}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/plomb-powercut
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for tool in qemu-system-x86_64 cpio mkfs.ext4; do
  command -v "$tool" >/dev/null || { echo "powercut: $tool is missing: apt install qemu-system-x86 cpio e2fsprogs" >&2; exit 2; }
done

tools/powercut/kernel.sh

CGO_ENABLED=0 go build -o "$work/init" ./internal/powercut/rig/guest
CGO_ENABLED=0 go build -o "$work/replay" ./internal/powercut/rig/replay
(cd "$work" && echo init | cpio -o -H newc --quiet | gzip -1 >initrd.gz)
truncate -s 96M "$work/disk.img"
truncate -s 512M "$work/log.img"
mkfs.ext4 -q -F "$work/disk.img" 80M
cp --sparse=always "$work/disk.img" "$work/disk0.img"

timeout 180 qemu-system-x86_64 -machine pc,accel=tcg -cpu max -m 384 -smp 2 -nographic -nic none -no-reboot \
  -kernel "$cache"/kernel/boot/vmlinuz-* -initrd "$work/initrd.gz" -append "console=ttyS0 panic=-1 quiet" \
  -blockdev driver=file,filename="$work/disk.img",node-name=f0 \
  -blockdev driver=file,filename="$work/log.img",node-name=l0 \
  -blockdev driver=blklogwrites,file=f0,log=l0,node-name=b0 \
  -device nvme,drive=b0,serial=1 | tr -d '\r' | tee "$work/console" | grep -a GUEST || true
grep -qa 'GUEST done' "$work/console" || { echo "powercut: the guest did not finish:" >&2; tail -20 "$work/console" >&2; exit 1; }
"$work/replay" -points "$points" "$work/disk0.img" "$work/log.img"

# The rig must be able to fail: flushed writes are lost on purpose.
if "$work/replay" -points 20 -control "$work/disk0.img" "$work/log.img" >"$work/control"; then
  echo "powercut: flushed writes were lost and the rig did not notice:" >&2
  cat "$work/control" >&2
  exit 1
fi
tail -1 "$work/control" | sed 's/^/control, flushed writes lost on purpose: /'
