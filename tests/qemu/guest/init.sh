#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
# /init of the first kernel: load what the root disk needs, in the order that the host worked out, and go there.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
while read -r module; do
	/bin/busybox insmod "/modules/$module" || echo "harness: insmod $module failed"
done </modules/order
root=
tries=0
while [ -z "$root" ]; do
	for serial in /sys/block/*/serial; do
		[ "$(/bin/busybox cat "$serial" 2>/dev/null)" = root ] || continue
		root=${serial%/serial}
		root=/dev/${root##*/}
	done
	tries=$((tries + 1))
	[ $tries -lt 200 ] || break
	[ -n "$root" ] || /bin/busybox usleep 50000
done
/bin/busybox mount -t ext4 -o rw "$root" /mnt || { echo "harness: no root disk"; /bin/busybox poweroff -f; }
/bin/busybox umount /sys
/bin/busybox mount --move /dev /mnt/dev
/bin/busybox umount /proc
exec /bin/busybox switch_root /mnt /sbin/init
echo "harness: switch_root failed"
/bin/busybox poweroff -f
