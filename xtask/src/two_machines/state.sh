# What must be as before, a section for each.
section() { echo "== $1"; }
section 'IPsec states'
ip xfrm state
section 'IPsec policies'
ip xfrm policy
section 'firewall rules'
nft list ruleset
section 'devices'
ip -details link show
section 'addresses'
ip address show | grep -v valid_lft
section 'routes'
ip route show table all
section 'routing rules'
ip rule show
section 'station addresses of the card'
bridge fdb show dev eth0
section 'mounts'
cat /proc/mounts
section 'files'
find /tmp /var/tmp /dev/shm /run ! -type d | sort
section 'network namespaces'
# One lives as long as a process, an open file or a mount has it.
find /proc/[0-9]*/ns/net /proc/[0-9]*/fd -maxdepth 1 -lname 'net:*' -printf '%l\n' 2>/dev/null | sort -u
ls -i /run/netns
section 'processes'
for stat in /proc/[0-9]*/stat; do
    # It may have ended since.
    read -r line 2>/dev/null <"$stat" || continue
    pid=${line%% *}
    name=${line%)*}
    after=(${line##*)})
    # Neither those that have ended, nor the kernel's threads, nor this script and what it runs.
    [ "${after[0]}" = Z ] || [ "$pid" = 2 ] || [ "${after[1]}" = 2 ] || [ "$pid" = $$ ] || [ "${after[1]}" = $$ ] && continue
    echo "$pid ${name#*(}"
done
