#!/harness/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Goes before the real /init of the capture kernel: the host runs what it likes on /proc/vmcore, over virtio-serial, in the
# way of guest/agent.sh of the end-to-end tests. After "exec /init.real" the real init takes over as PID 1, in the state that
# it expects: nothing mounted.
bb=/harness/busybox
$bb mkdir -p /proc /sys /dev /mnt /tmp /bin /harness/bin
$bb mount -t proc proc /proc
$bb mount -t sysfs sysfs /sys
$bb mount -t devtmpfs devtmpfs /dev
$bb --install -s /harness/bin
export PATH=/harness/bin:/harness
while read -r module; do
	insmod "/harness/$module" 2>/dev/null
done </harness/order
port=
tries=0
while [ -z "$port" ] && [ $tries -lt 400 ]; do
	for name in /sys/class/virtio-ports/*/name; do
		[ "$(cat "$name" 2>/dev/null)" = innercore.agent ] || continue
		port=${name%/name}
		port=/dev/${port##*/}
	done
	tries=$((tries + 1))
	[ -n "$port" ] || usleep 50000
done
mkdir -p /run/by-serial
for serial in /sys/block/*/serial; do
	read -r name <"$serial" || [ -n "$name" ] || continue
	disk=${serial%/serial}
	ln -s "/dev/${disk##*/}" "/run/by-serial/$name"
done
if [ -n "$port" ]; then
	exec 3<>"$port"
	echo READY >&3
	while read -r line <&3; do
		echo "$line" | base64 -d >/tmp/command
		[ "$(cat /tmp/command)" = "exec /init.real" ] && break
		sh /tmp/command >/tmp/output 2>&1 3>&-
		rc=$?
		echo "$rc $(stat -c %s /tmp/output)" >&3
		cat /tmp/output >&3
	done
	exec 3>&-
else
	echo "harness: no agent port"
fi
rm -f /tmp/command /tmp/output
$bb umount /sys
$bb umount /dev
$bb umount /proc
exec /init.real
