# Second half, on the machine's root: what a booted system has mounted, the
# modules, then the command. Run by the static busybox as process 1.
b=/run/overlay-vm/busybox
job=/run/overlay-vm
. $job/settings

off() { $b sync; $b poweroff -f; }

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

for port in /sys/class/virtio-ports/*; do
    read -r name <"$port/name"
    case $name in
    overlay.status) status=/dev/${port##*/} ;;
    overlay.output) output=/dev/${port##*/} ;;
    esac
done
[ -n "$status" ] || { echo "overlay-vm: no status port" >/dev/console; off; }
exec 9>"$status"
echo ready >&9

cd "$VM_FOLDER" || { echo "overlay-vm: no folder $VM_FOLDER" >/dev/console; echo "exit 125" >&9; off; }
if [ -n "$VM_INTERACTIVE" ]; then
    $b stty -F /dev/hvc0 rows "$VM_ROWS" cols "$VM_COLUMNS"
    $b setsid -c $b env -i $b sh $job/command <>/dev/hvc0 >&0 2>&0 9>&-
    code=$?
else
    # A pipe: a program may open /dev/stdout anew, which the port does not allow.
    $b mkfifo $job/pipe
    $b cat <$job/pipe >"$output" 9>&- &
    reader=$!
    $b setsid $b env -i $b sh $job/command </dev/null >$job/pipe 2>&1 9>&-
    code=$?
    # What it left running may hold the pipe open for ever: wait a little only.
    i=0
    while $b kill -0 $reader 2>/dev/null && [ $i -lt 30 ]; do
        $b sleep 0.1
        i=$((i + 1))
    done
fi
echo "exit $code" >&9
off
