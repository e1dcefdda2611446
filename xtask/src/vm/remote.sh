# Runs in the guest: takes scripts from the port `overlay.control`, one after the
# other, and sends back what each printed and its exit code. A script is a line
# that no script contains, the script, and that line again.
for port in /sys/class/virtio-ports/*; do
    read -r name <"$port/name"
    [ "$name" = overlay.control ] && control=/dev/${port##*/}
done
# Ours come before what the machine has under the same names elsewhere.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
exec 3<>"$control" || exit 1
cd /run || exit 1
echo ready >&3
while read -r end <&3; do
    [ "$end" = off ] && exit 0
    while IFS= read -r line <&3 && [ "$line" != "$end" ]; do
        printf '%s\n' "$line"
    done >script
    bash script >printed 2>&1 </dev/null 3>&-
    code=$?
    cat printed >&3
    printf '\n%s %s\n' "$end" "$code" >&3
done
