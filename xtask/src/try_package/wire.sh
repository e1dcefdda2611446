# The wire: this host's `eth0` and that of the namespace `far`, with one VXLAN device of each of VNIS at both ends. Nothing crosses
# it but what is sent.
set -e
modprobe -a veth vxlan pktgen
ip netns add far
for inside in "" "ip netns exec far"; do
    $inside sh -c 'for name in all default; do echo 1 >/proc/sys/net/ipv6/conf/$name/disable_ipv6; done'
done
ip link add eth0 address 02:00:00:00:77:01 type veth peer name wire address 02:00:00:00:77:02
ip link set wire netns far name eth0
host() {
    $1 ip addr add 192.168.77.$2/24 dev eth0
    $1 ip link set eth0 up
    $1 ip neigh add 192.168.77.$3 lladdr 02:00:00:00:77:0$3 dev eth0 nud permanent
    for vni in VNIS; do
        $1 ip link add vxlan$vni type vxlan id $vni local 192.168.77.$2 remote 192.168.77.$3 dstport 4789 nolearning
        $1 ip link set vxlan$vni up
    done
}
host "" 1 2
host "ip netns exec far" 2 1

# Independent counts, by direction and VNI. What is sent is counted behind the routing: before Linux 5.16 nftables has no hook at a
# device for it.
for way in "rx netdev ingress eth0" "tx ip postrouting"; do
    set -- $way
    echo "table $2 oracle {"
    for vni in VNIS; do echo "counter $1$vni { }"; done
    echo "chain $1 { type filter hook $3 ${4:+device $4} priority 0;"
    for vni in VNIS; do echo "udp dport 4789 @th,96,24 $vni counter name $1$vni"; done
    echo "}"
    echo "}"
done | nft -f -
