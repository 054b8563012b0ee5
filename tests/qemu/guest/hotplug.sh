# SPDX-License-Identifier: GPL-2.0-or-later
# Takes new memory into use as udev's rules would, until there are HOTPLUG_KIB in all.
tries=0
until [ "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)" -ge "$HOTPLUG_KIB" ]; do
	tries=$((tries + 1))
	[ $tries -lt 300 ] || { echo "hotplug: the memory did not come"; cat /proc/meminfo; exit 1; }
	for state in /sys/devices/system/memory/memory*/state; do
		[ "$(cat "$state")" = online ] || echo online >"$state" 2>/dev/null
	done
	usleep 100000
done
