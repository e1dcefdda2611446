# Runs the job's command, reports its end to the port `overlay.status`, and switches the guest off.
b=/run/overlay-vm/busybox
job=/run/overlay-vm
. $job/settings

off() { $b sync; $b poweroff -f; }

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
