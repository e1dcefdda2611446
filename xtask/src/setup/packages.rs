//! Every package that xtask may install, and why. The only list.

/// A distribution package that is needed.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) why: String,
}

impl Package {
    pub(crate) fn new(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            why: why.into(),
        }
    }
}

/// What the lab, the demo and the tests run.
const LAB: &[(&str, &str)] = &[
    (
        "iproute2",
        "makes network namespaces, VXLAN links and IPsec states",
    ),
    ("redis-server", "the lab's database, a real one"),
    ("nginx", "the lab's web server, plain and TLS, a real one"),
    ("curl", "the lab's HTTP client"),
    ("openssl", "makes the lab's certificate"),
    (
        "nftables",
        "counts the same packets independently, to check our counts",
    ),
    (
        "ethtool",
        "turns segmentation offload off where counts are compared",
    ),
];

/// What only the tests run.
const TESTS: &[(&str, &str)] = &[
    (
        "chromium",
        "opens and prints the page of an audit, without a network",
    ),
    ("poppler-utils", "reads what it has printed"),
    (
        "prometheus",
        "scrapes the agents; its promtool checks the alerting rules",
    ),
    ("prometheus-alertmanager", "receives the alerts"),
    ("systemd", "its systemd-analyze rates the unit of the agent"),
    ("tmux", "is the terminal in which the tests press keys"),
    ("zstd", "compresses captures"),
    (
        "tshark",
        "decodes the same packets independently, to check our parser",
    ),
    (
        "iptables",
        "makes rules as Docker does, which `check` must find",
    ),
];

/// What the benchmarks run beside the lab. The tests run them too, for a moment.
const BENCH: &[(&str, &str)] = &[
    ("iperf3", "sends streams through the lab"),
    ("tcpdump", "watches the same traffic, for comparison"),
    ("redis-tools", "sends requests to Redis"),
    ("wrk", "sends requests to nginx"),
    (
        "wireguard-tools",
        "sets WireGuard up, to compare it with ESP",
    ),
];

/// Servers and clients whose traffic is recorded as fixtures, and what their scripts use.
const RECORD: &[(&str, &str)] = &[
    ("avahi-daemon", "recorded: multicast DNS"),
    ("bind9", "recorded: DNS over UDP, TCP and TLS"),
    ("bind9-dnsutils", "dig, its client"),
    ("busybox", "udhcpc, a DHCP client"),
    ("charon-cmd", "part of strongSwan"),
    ("collectd-core", "recorded: StatsD"),
    ("dnsmasq-base", "recorded: DHCP"),
    ("dovecot-imapd", "recorded: IMAP"),
    ("dovecot-pop3d", "recorded: POP3"),
    ("etcd-client", "a client of gRPC"),
    ("etcd-server", "recorded: gRPC and HTTP of etcd"),
    ("expect", "types what a person would"),
    ("freeradius", "recorded: RADIUS"),
    ("freeradius-utils", "its client"),
    ("freerdp2-x11", "a client of RDP"),
    ("freetds-bin", "recorded: a client of TDS"),
    ("inetutils-telnet", "a client of Telnet"),
    ("inetutils-telnetd", "recorded: Telnet"),
    ("iputils-ping", "recorded: ICMP"),
    ("kafkacat", "recorded: Kafka, with a broker of librdkafka"),
    ("kamailio", "recorded: SIP with a log-in"),
    ("krb5-admin-server", "makes a Kerberos realm"),
    ("krb5-kdc", "recorded: Kerberos"),
    ("krb5-user", "its client"),
    ("ldap-utils", "a client of LDAP"),
    ("libnfs-utils", "a client of NFS"),
    ("mariadb-client", "a client of MySQL"),
    ("mariadb-server", "recorded: MySQL's protocol"),
    ("memcached", "recorded: memcached, text and binary"),
    ("mosquitto", "recorded: MQTT"),
    ("mosquitto-clients", "its clients"),
    ("nats-server", "recorded: NATS"),
    ("ncat", "types lines to servers"),
    ("nfs-ganesha", "recorded: NFS 3 and 4"),
    ("nfs-ganesha-mem", "its file system in memory"),
    ("ngircd", "recorded: IRC"),
    ("ngtcp2-client", "a client of QUIC"),
    ("ngtcp2-server", "recorded: QUIC"),
    ("openssh-client", "a client of SSH"),
    ("openssh-server", "recorded: SSH"),
    ("openvpn", "recorded: OpenVPN"),
    ("postfix", "recorded: SMTP"),
    ("postgresql", "recorded: PostgreSQL"),
    ("python3-cassandra", "recorded: a client of Cassandra"),
    ("python3-grpcio", "recorded: gRPC"),
    ("python3-kazoo", "a client of ZooKeeper"),
    ("python3-libtorrent", "recorded: BitTorrent"),
    ("python3-pika", "a client of AMQP 0-9-1"),
    ("python3-pylibmc", "a client of memcached's binary protocol"),
    ("python3-pymongo", "recorded: a client of MongoDB"),
    ("python3-qpid-proton", "a client of AMQP 1.0"),
    ("python3-statsd", "a client of StatsD"),
    ("python3-stomp", "a client of STOMP"),
    ("python3-websockets", "recorded: WebSocket"),
    ("rabbitmq-server", "recorded: AMQP, STOMP"),
    ("redis-tools", "a client of Redis"),
    ("rpcbind", "recorded: the portmapper"),
    ("rsyslog", "recorded: syslog"),
    ("samba", "recorded: SMB"),
    ("sasl2-bin", "makes a user for memcached"),
    ("serf", "recorded: memberlist's gossip"),
    ("sip-tester", "recorded: SIP calls with RTP"),
    ("sipsak", "a client of SIP"),
    ("slapd", "recorded: LDAP"),
    ("smbclient", "a client of SMB"),
    ("snmp", "a client of SNMP"),
    ("snmpd", "recorded: SNMP"),
    ("socat", "relays connections"),
    ("sshpass", "types a password to ssh"),
    ("strongswan-charon", "recorded: IKE"),
    ("strongswan-swanctl", "starts its exchange"),
    ("swaks", "a client of SMTP"),
    ("tcpdump", "records"),
    ("tigervnc-standalone-server", "recorded: VNC"),
    ("tigervnc-tools", "sets its password"),
    ("vncsnapshot", "its client"),
    ("vsftpd", "recorded: FTP"),
    ("wireguard-go", "recorded: WireGuard"),
    ("wireguard-tools", "sets it up"),
    ("xrdp", "recorded: RDP"),
    ("xvfb", "a screen for the client of RDP"),
    ("zookeeper", "recorded: ZooKeeper"),
];

/// Recorded, but only unpacked: to install them would replace systemd's time client or its way to resolve names.
pub(crate) const RECORD_UNPACKED: &[&str] = &["chrony", "systemd-resolved"];

/// What the virtual machine needs of this one. QEMU, busybox and the kernel
/// are only unpacked into the cache, not installed.
const VM: &[(&str, &str)] = &[
    ("kmod", "depmod here and modprobe in the virtual machine"),
    ("xz-utils", "newer Debian kernels compress their modules"),
];

/// What the packages are checked with.
const PACKAGE: &[(&str, &str)] = &[
    ("lintian", "checks Debian's package"),
    ("rpmlint", "checks that of RPM"),
    ("rpm", "reads that package for rpmlint"),
];

/// What makes a root for the virtual machine.
const ROOT: &[(&str, &str)] = &[(
    "mmdebstrap",
    "makes the Debian in which the package is installed",
)];

fn list(table: &[(&str, &str)]) -> Vec<Package> {
    table
        .iter()
        .map(|(name, why)| Package::new(*name, *why))
        .collect()
}

/// Packages of the lab and the demo.
pub(crate) fn lab() -> Vec<Package> {
    list(LAB)
}

/// Packages of the tests, which use the lab.
pub(crate) fn tests() -> Vec<Package> {
    [list(LAB), list(BENCH), list(TESTS), fuzz()].concat()
}

/// Packages of the fuzzer.
pub(crate) fn fuzz() -> Vec<Package> {
    list(&[("g++", "compiles libFuzzer, which is C++")])
}

/// Packages of the benchmark.
pub(crate) fn bench() -> Vec<Package> {
    [list(LAB), list(BENCH)].concat()
}

/// Packages of the recorder, which uses the lab.
pub(crate) fn record() -> Vec<Package> {
    [list(LAB), list(RECORD)].concat()
}

/// Packages of the virtual machine.
pub(crate) fn vm() -> Vec<Package> {
    list(VM)
}

/// Packages that check those we make.
pub(crate) fn package() -> Vec<Package> {
    list(PACKAGE)
}

/// Packages of the root of the virtual machine.
pub(crate) fn root() -> Vec<Package> {
    list(ROOT)
}

/// Packages that `cargo install bpf-linker` needs for this LLVM.
pub(crate) fn bpf_linker(llvm: u32) -> Vec<Package> {
    vec![
        Package::new(format!("llvm-{llvm}-dev"), "the LLVM that bpf-linker links"),
        Package::new(format!("libpolly-{llvm}-dev"), "part of that LLVM"),
        Package::new("zlib1g-dev", "LLVM needs it"),
        Package::new("libzstd-dev", "LLVM needs it"),
        Package::new("g++", "LLVM is C++, bpf-linker links its library"),
    ]
}
