# Second half, on the machine's root: what a booted system has mounted, the
# modules, then the command. Run by the static busybox as process 1.
b=/run/overlay-vm/busybox
job=/run/overlay-vm
. $job/settings

$b mkdir -p /dev/pts /dev/shm /lib/modules
$b mount -t devpts -o mode=0620,ptmxmode=0666 devpts /dev/pts
$b mount -t tmpfs -o mode=1777 tmpfs /dev/shm
$b mount -t bpf bpf /sys/fs/bpf
$b mount -t cgroup2 cgroup2 /sys/fs/cgroup
$b mount -t tracefs tracefs /sys/kernel/tracing
$b mount -t debugfs debugfs /sys/kernel/debug
[ -e /dev/fd ] || $b ln -s /proc/self/fd /dev/fd
[ -e /dev/stdin ] || $b ln -s /proc/self/fd/0 /dev/stdin
[ -e /dev/stdout ] || $b ln -s /proc/self/fd/1 /dev/stdout
[ -e /dev/stderr ] || $b ln -s /proc/self/fd/2 /dev/stderr
$b mount --bind "$VM_MODULES" /lib/modules
$b ip link set lo up
$b hostname "$VM_NAME"

# The rest loads by itself when it is asked for; these are asked for by
# programs that look first.
# By its path: busybox has a modprobe too, which knows less.
/sbin/modprobe -a -q $VM_LOAD

. $job/run
