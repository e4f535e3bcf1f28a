#!/bin/sh
# Builds the guest programs into DIRECTORY (default: beside this script). The result is the same with the same compiler:
# gcc 12.2 and binutils 2.40 of Debian 12 made what is checked in.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
for program in hello memory interrupts smp nsm vsock; do
  parts="start.S guest.c $program.c"
  [ "$program" = smp ] && parts="$parts smp-start.S"
  gcc -Os -Wall -Wextra -Werror -std=gnu11 -ffreestanding -fno-pic -no-pie -fno-stack-protector -fcf-protection=none \
    -fno-asynchronous-unwind-tables -mgeneral-regs-only -mno-red-zone -fno-tree-loop-distribute-patterns -nostdlib -static \
    -Wl,-T,guest.ld -Wl,--build-id=none -Wl,--nmagic -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -s \
    -o "$out/$program.elf" $parts
done
