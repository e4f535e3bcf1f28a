#!/bin/sh
# Builds the demonstration enclave, test/guests/linux/demo.eif, from Debian's kernel source and init.c: the same bytes
# each time with the compiler below. Needs: gcc-12 binutils make bc flex bison libelf-dev libssl-dev lz4 xz-utils cpio,
# and `npm run build`. About 5 minutes on two cores.
#   build.sh [OUTPUT.eif]       KERNEL_BUILD=DIR keeps source and objects
set -eu
source=linux-source-6.12
version=6.12.117-1~deb12u1
compiler=12.2.0-14+deb12u1
linker=2.40-2

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/demo.eif}
build=${KERNEL_BUILD:-$(mktemp -d)}
for pair in gcc-12=$compiler binutils=$linker; do
  have=$(dpkg-query -W -f '${Version}' "${pair%%=*}")
  [ "$have" = "${pair#*=}" ] || { echo "needs ${pair%%=*} ${pair#*=}, not $have" >&2; exit 3; }
done
mkdir -p "$build"
cd "$build"
if [ ! -d "usr/src/$source" ]; then
  apt-get download -q "$source=$version" || { echo "the archive has no $source $version" >&2; exit 4; }
  dpkg -x "${source}"_*.deb .
  tar -C usr/src -xf "usr/src/$source.tar.xz"
fi
tree=$build/usr/src/$source
export KBUILD_BUILD_TIMESTAMP='2026-11-01 00:00:00 UTC' KBUILD_BUILD_USER=nitro-emu KBUILD_BUILD_HOST=nitro-emu KBUILD_BUILD_VERSION=1
export SOURCE_DATE_EPOCH=1793491200 CC=gcc-12 LC_ALL=C TZ=UTC
cd "$tree"
make -s tinyconfig CC=gcc-12
./scripts/kconfig/merge_config.sh -m .config "$here/kernel.config" >/dev/null
make -s olddefconfig CC=gcc-12
make -s -j"$(nproc)" bzImage CC=gcc-12
make -s headers CC=gcc-12

cd "$build"
rm -rf root
mkdir root
gcc-12 -Os -static -nostdlib -fno-asynchronous-unwind-tables -fno-ident -fno-stack-protector -Wall -Wl,--build-id=none -s \
  -isystem "$tree/usr/include" -include "$tree/tools/include/nolibc/nolibc.h" "$here/init.c" -o root/init -lgcc
(cd root && touch -d "@$SOURCE_DATE_EPOCH" init . && echo init | cpio -o -H newc --reproducible --owner=0:0 --quiet) > ramdisk.cpio
node "$here/wrap.mjs" "$tree/arch/x86/boot/bzImage" "$here/cmdline" ramdisk.cpio "$out"
