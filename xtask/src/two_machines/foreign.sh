# What others have on this machine: an IPsec state and policy, a firewall rule, an overlay, a namespace, and a program.
set -e
# Its own, not those of the machine whose root this is.
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=1777 tmpfs /var/tmp
ip addr add OWN/24 dev eth0
ip link set eth0 up
ip xfrm state add src OWN dst PEER proto esp spi 0x5eed0001 reqid 7 mode transport aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128
ip xfrm state add src PEER dst OWN proto esp spi 0x5eed0002 reqid 7 mode transport aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128
ip xfrm policy add src OWN/32 dst PEER/32 proto udp dport 5789 dir out tmpl src OWN dst PEER proto esp reqid 7 mode transport
nft -f - <<'EOF'
table inet foreign {
    chain input {
        type filter hook input priority 0; policy accept;
        udp dport 9 drop
    }
}
EOF
ip link add foreign0 type vxlan id 7007 dstport 4789 local OWN remote PEER
ip addr add 10.77.0.LAST/24 dev foreign0
ip link set foreign0 up
ip netns add foreign
ip -n foreign link set lo up
setsid sleep 100000 >/dev/null 2>&1 </dev/null &
# Until the addresses of IPv6 are no longer tentative.
i=0
while ip -6 address show | grep -q tentative && [ $i -lt 100 ]; do
    sleep 0.1
    i=$((i + 1))
done
mkdir /bench
