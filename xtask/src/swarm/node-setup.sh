# Address, and the engine. Its data lie in memory; it hears only on its socket.
set -e
ip addr add ADDRESS/24 dev eth0
ip link set eth0 up
modprobe -q xt_u32 || true
mkdir -p /var/lib/docker /var/lib/containerd
mount -t tmpfs -o size=80% tmpfs /var/lib/docker
printf '192.168.77.1 node1\n192.168.77.2 node2\n' >>/etc/hosts
# Of its own, since dockerd gives the one that it starts only 15 seconds.
setsid containerd >/run/containerd.log 2>&1 &
until [ -S /run/containerd/containerd.sock ]; do sleep 0.2; done
setsid dockerd --containerd /run/containerd/containerd.sock --storage-driver overlay2 \
    --exec-opt native.cgroupdriver=cgroupfs >/run/dockerd.log 2>&1 &
