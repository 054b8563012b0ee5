#!/harness/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Goes before the real /init of the capture kernel: the raw memory, copied with no help from innercore, is what
# innercore's dump is judged by. Then it waits for the host's word over virtio-serial, so that the host can dump the
# guest from outside in between. At last the real init takes over as PID 1 in the state that it expects: nothing mounted.
bb=/harness/busybox
$bb mkdir -p /proc /sys /dev
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t devtmpfs devtmpfs /dev
while read -r module; do
	$bb insmod "/harness/$module" 2>/dev/null
done </harness/order
raw=
tries=0
case " $($bb cat /proc/cmdline) " in
*" harness.nocopy "*) tries=200 ;;
esac
while [ -z "$raw" ] && [ $tries -lt 200 ]; do
	for serial in /sys/block/*/serial; do
		[ "$($bb cat "$serial" 2>/dev/null)" = rawcopy ] || continue
		raw=${serial%/serial}
		raw=/dev/${raw##*/}
	done
	tries=$((tries + 1))
	[ -n "$raw" ] || $bb usleep 50000
done
if [ -n "$raw" ]; then
	# Half of the crashes take the copy by read(2), half by mmap, so that both are held against what innercore saw.
	# Direct writes keep the reservation small: no page cache grows.
	if [ -d /sys/firmware/efi ]; then
		$bb dd if=/proc/vmcore of="$raw" bs=4M iflag=fullblock oflag=direct conv=notrunc
	else
		/harness/vmcopy /proc/vmcore "$raw"
	fi
	echo "harness: vmcore copied, status $?"
else
	echo "harness: no disk for the raw copy"
fi
# From here on until the answer everything but this kernel's own memory stands still.
port=
tries=0
while [ -z "$port" ] && [ $tries -lt 200 ]; do
	for name in /sys/class/virtio-ports/*/name; do
		[ "$($bb cat "$name" 2>/dev/null)" = innercore.agent ] || continue
		port=${name%/name}
		port=/dev/${port##*/}
	done
	tries=$((tries + 1))
	[ -n "$port" ] || $bb usleep 50000
done
if [ -n "$port" ]; then
	exec 3<>"$port"
	echo HELD >&3
	read -r word <&3
	exec 3>&-
	echo "harness: the host says $word"
else
	echo "harness: no agent port"
fi
$bb umount /sys
$bb umount /proc
$bb umount /dev
exec /init.real
