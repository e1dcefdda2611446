#!/bin/busybox sh
# First process of the guest: puts a writable layer over its root, which is the machine's or unpacked from an archive, and goes there.
b=/bin/busybox
. /job/settings
nine=trans=virtio,version=9p2000.L,ro,msize=512000,cache=loose
die() { echo "overlay-vm: $*" >/dev/console; $b sync; $b poweroff -f; }

$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
while read -r m; do
    $b insmod "/modules/$m.ko" || die "cannot load $m"
done </modules/order

if [ -n "$VM_ROOT" ]; then
    # Unpacked, because each look at a file of the machine takes milliseconds by emulation.
    $b mkdir /archive
    $b mount -t 9p -o $nine archive /archive || die "cannot mount the archive"
    $b mount -t tmpfs -o size=90%,mode=0755 tmpfs /lower
    $b tar -x -f "/archive/$VM_ROOT" -C /lower || die "cannot unpack $VM_ROOT"
    $b mkdir -p /lower/usr/lib/modules
else
    $b mount -t 9p -o $nine machine /lower || die "cannot mount the machine's root"
fi
# Layers over the root, the first on top.
lower=
for tree in $VM_TREES; do
    $b mkdir "/$tree"
    $b mount -t 9p -o $nine "$tree" "/$tree" ||
        die "cannot mount $tree"
    lower=$lower/$tree:
done
$b mount -t tmpfs -o size=90%,mode=0755 tmpfs /rw
$b mkdir /rw/upper /rw/work
$b mount -t overlay -o "lowerdir=$lower/lower,upperdir=/rw/upper,workdir=/rw/work" overlay /newroot ||
    die "cannot mount the writable layer"

$b mkdir -p /newroot/dev /newroot/proc /newroot/sys /newroot/run /newroot/tmp
if [ -n "$VM_ROOT" ]; then
    $b mount -t 9p -o $nine modules /newroot/usr/lib/modules || die "cannot mount the modules"
fi
$b mount --move /dev /newroot/dev
$b mount --move /proc /newroot/proc
$b mount --move /sys /newroot/sys
$b mount -t tmpfs -o mode=0755 tmpfs /newroot/run
$b cp -r /job /newroot/run/overlay-vm
$b cp /bin/busybox /newroot/run/overlay-vm/busybox
exec $b switch_root /newroot /run/overlay-vm/busybox sh /run/overlay-vm/init
