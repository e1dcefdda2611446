# Sends COUNT packets (0: until `stop` is written) through each VXLAN device, RATE in a second, from both ends at once. The kernel's own
# generator makes the inner frames, and its VXLAN devices the outer ones.
rm -f /run/sent
set_to() { echo "$2" >"/proc/net/pktgen/$1" || { echo "pktgen refuses: $2" >&2; exit 1; }; }
prepare() {
    set_to kpktgend_$1 rem_device_all
    for vni in VNIS; do
        set_to kpktgend_$1 "add_device vxlan$vni"
        for setting in "count COUNT" "ratep RATE" "pkt_size 200" "dst_mac 02:00:00:00:00:$2" "dst 10.0.$((vni % 256)).$2" \
            "src_min 10.0.$((vni % 256)).100" "src_max 10.0.$((vni % 256)).120" \
            "udp_src_min 20000" "udp_src_max 20009" "udp_dst_min 9000" "udp_dst_max 9000" \
            "flag IPSRC_RND" "flag UDPSRC_RND"; do
            set_to vxlan$vni "$setting"
        done
    done
}
export -f set_to prepare
prepare 0 22
ip netns exec far bash -c 'prepare 1 11' || exit 1
(
    echo start >/proc/net/pktgen/pgctrl &
    ip netns exec far bash -c 'echo start >/proc/net/pktgen/pgctrl' &
    wait
    touch /run/sent
) >/dev/null 2>&1 </dev/null &
