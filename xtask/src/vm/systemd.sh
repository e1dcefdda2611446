# Second half, on a root of its own: systemd becomes process 1, and a unit of it runs the command. Run by the static busybox.
b=/run/overlay-vm/busybox
. /run/overlay-vm/settings

# Without one systemd takes this for a first boot.
[ -s /etc/machine-id ] || $b tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
echo "$VM_NAME" >/etc/hostname
/sbin/modprobe -a -q $VM_LOAD

units=/run/systemd/system
$b mkdir -p $units/multi-user.target.wants
$b cat >$units/overlay-vm.service <<END
[Unit]
Description=Command of the virtual machine

[Service]
ExecStart=$b sh /run/overlay-vm/run
StandardInput=null
TasksMax=infinity
END
$b ln -s ../overlay-vm.service $units/multi-user.target.wants/
# The kernel's console is a file here; without udev systemd would wait for it to appear.
$b ln -s /dev/null $units/serial-getty@ttyS0.service
# What starts in a second takes minutes by emulation, beside other work.
$b mkdir -p /run/systemd/system.conf.d
printf '[Manager]\nDefaultTimeoutStartSec=600\nDefaultTimeoutStopSec=600\n' >/run/systemd/system.conf.d/emulation.conf
exec /lib/systemd/systemd
