#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# PID 1 of the guest and the other end of guest.py: a line of base64 is a command; the answer is a line "RC LENGTH" and
# LENGTH bytes of its output. It runs over virtio-serial so that the console stays the kernel's own.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/shm /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
# By serial number, as udev would.
mkdir -p /dev/disk/by-serial
for serial in /sys/block/*/serial; do
	read -r name <"$serial" || [ -n "$name" ] || continue
	disk=${serial%/serial}
	ln -s "../../${disk##*/}" "/dev/disk/by-serial/$name"
done
hostname innercore-guest
modprobe virtio_pci
modprobe virtio_console
for module in virtio_balloon qemu_fw_cfg; do
	modprobe -q $module
done
port=
for name in /sys/class/virtio-ports/*/name; do
	[ "$(cat "$name")" = innercore.agent ] || continue
	port=${name%/name}
	port=/dev/${port##*/}
done
[ -n "$port" ] || { echo "harness: no agent port"; poweroff -f; }
exec 3<>"$port"
echo READY >&3
while read -r line <&3; do
	echo "$line" | base64 -d >/run/agent.command
	sh /run/agent.command >/run/agent.output 2>&1 3>&-
	rc=$?
	echo "$rc $(stat -c %s /run/agent.output)" >&3
	cat /run/agent.output >&3
done
echo "harness: the host is gone"
poweroff -f
