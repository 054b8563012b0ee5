# SPDX-License-Identifier: GPL-2.0-or-later
# A guest at work: memory that was used and freed, files read and written, many small kernel objects, processes with heaps.
# The caller has set CACHE_MIB, HEAP_MIB and SHARED_MIB, and put readahead and heap into /usr/libexec.
set -e
corpus=/mnt/corpus
mkdir -p $corpus
modprobe ext4
mount -t ext4 -o ro /dev/disk/by-serial/corpus $corpus
find $corpus -type f >/run/names
# Free pages of a machine that has been up for a while are not zero.
/usr/libexec/readahead 100000 </run/names
echo 3 >/proc/sys/vm/drop_caches
# Words for the heaps, and shared memory: files as they come.
tr '\n' '\0' </run/names | xargs -0 cat 2>/dev/null | head -c 32m >/root/words
tail -n 8000 /run/names | tr '\n' '\0' | xargs -0 cat 2>/dev/null | head -c "${SHARED_MIB}m" >/dev/shm/shared
/usr/libexec/heap /root/words "$HEAP_MIB" 8 >/run/heap.log 2>&1 </dev/null &
tries=0
until grep -q ready /run/heap.log; do
	tries=$((tries + 1))
	[ $tries -lt 6000 ] || { echo "load: the heaps are not ready"; cat /run/heap.log; exit 1; }
	usleep 100000
done
# Inodes, dentries, extents, journal heads; then what files hold.
find $corpus / -xdev -newer /sbin/init >/dev/null
find /proc /sys >/dev/null 2>&1 || true
mkdir -p /root/many
for i in $(seq 500); do
	echo "$i" >/root/many/$i
done
/usr/libexec/readahead "$CACHE_MIB" </run/names
sync
cat /proc/meminfo
