# SPDX-License-Identifier: GPL-2.0-or-later
# Fills the guest's memory with pages of every class; the caller has set LOAD_FILES to the number of MiB to read.
# copy MIB FILE: a file of so many MiB whose pages differ from each other.
copy()
{
	dd if="$(echo /boot/vmlinuz*)" of="$2" bs=1M count="$1"
}
echo 1 >/proc/sys/kernel/sysrq
echo 8 >/proc/sys/vm/nr_hugepages
echo 1 >/sys/kernel/mm/ksm/run 2>/dev/null
# Compressed swap: anonymous pages in the swap cache, and movable pages that belong to a driver.
if modprobe -q zram num_devices=2; then
	echo 64M >/sys/block/zram0/disksize && mkswap /dev/zram0 && swapon /dev/zram0
	# A filesystem on the other one whose page cache comes in large folios on every kernel of interest.
	echo 400M >/sys/block/zram1/disksize
	if modprobe -q xfs && mkfs.xfs -q -K /dev/zram1 && mkdir -p /mnt/xfs && mount /dev/zram1 /mnt/xfs; then
		copy 8 /mnt/xfs/large
		sync
		echo 1 >/proc/sys/vm/drop_caches
		cat /mnt/xfs/large >/dev/null
	else
		echo "load: no xfs"
	fi
else
	echo "load: no zram"
fi
# Huge pages in shared memory.
mkdir -p /mnt/huge
if mount -t tmpfs -o huge=always,size=64m tmpfs /mnt/huge; then
	copy 12 /mnt/huge/file
fi
# A file system in a file, whose pages are those of the file and again those of the device that is made of it.
mkdir -p /mnt/loop /root/none
if modprobe -q loop && truncate -s 32M /root/loop && mke2fs -q -t ext4 /root/loop && mount -o loop /root/loop /mnt/loop; then
	copy 8 /mnt/loop/file
	sync
	for i in $(seq 200); do
		echo "$i" >/mnt/loop/$i
	done
else
	echo "load: no loop"
fi
# Page cache, dentries, inodes.
find / -xdev >/root/names
find /proc/1 /sys/kernel/slab >/dev/null 2>&1
find /lib/modules -name '*.ko*' -exec cat {} + 2>/dev/null | dd of=/dev/null bs=1M count="$LOAD_FILES" iflag=fullblock
# Dirty buffers: written, not synced; and cache with private data (journal heads).
copy 12 /root/dirty
mkdir -p /root/many
for i in $(seq 300); do
	echo "$i" >/root/many/$i
done
# Not the caller's output: that is read to its end, which would not come while load lives.
/usr/libexec/load /root/load.mapped >/run/load.log 2>&1 </dev/null &
tries=0
until grep -q ready /run/load.log; do
	tries=$((tries + 1))
	[ $tries -lt 600 ] || { echo "load: not ready"; cat /run/load.log; exit 1; }
	usleep 100000
done
cat /run/load.log
# Free pages that held something.
copy 14 /run/freed
rm /run/freed
cat /proc/meminfo
