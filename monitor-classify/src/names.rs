//! Protocols, exposures, confidences and kinds of credentials, each with its one name.

use std::fmt;

use serde::Serialize;

/// An enum whose members have one name, the same in JSON, metrics and text.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $member:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        pub enum $name {
            $($(#[$doc])* #[serde(rename = $text)] $member,)+
        }

        impl $name {
            /// Every member.
            pub const ALL: &'static [Self] = &[$(Self::$member),+];

            /// The name in JSON, in metric labels and on screens.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$member => $text,)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

named! {
    /// The protocol of a payload. In order of the names.
    Protocol {
        /// AMQP 0-9-1 or 1.0: RabbitMQ, Qpid, …
        Amqp = "amqp",
        /// BitTorrent: peer wire, DHT, trackers on UDP, µTP.
        Bittorrent = "bittorrent",
        /// Cassandra's native protocol (CQL).
        Cassandra = "cassandra",
        /// DHCP for IPv4 or IPv6 (RFC 2131, 8415).
        Dhcp = "dhcp",
        /// DNS over UDP or TCP (RFC 1035).
        Dns = "dns",
        /// DTLS 1.0 to 1.3 (RFC 6347, 9147).
        Dtls = "dtls",
        /// Elasticsearch's transport protocol between nodes; its REST interface is `http`.
        Elasticsearch = "elasticsearch",
        /// FTP's control connection (RFC 959).
        Ftp = "ftp",
        /// The git daemon's protocol.
        Git = "git",
        /// memberlist: Docker's network control plane, Consul, Serf, Nomad.
        Gossip = "gossip",
        /// gRPC over HTTP/2 without TLS.
        Grpc = "grpc",
        /// HTTP/1.0 or HTTP/1.1 (RFC 9112).
        Http = "http",
        /// HTTP/2 without TLS (RFC 9113).
        Http2 = "http2",
        /// ICMP or ICMPv6 (RFC 792, 4443).
        Icmp = "icmp",
        /// IKEv1 or IKEv2 (RFC 7296).
        Ike = "ike",
        /// IMAP (RFC 9051).
        Imap = "imap",
        /// ESP or AH inside the overlay (RFC 4303).
        Ipsec = "ipsec",
        /// IRC (RFC 2812).
        Irc = "irc",
        /// Kafka.
        Kafka = "kafka",
        /// Kerberos 5 (RFC 4120).
        Kerberos = "kerberos",
        /// LDAP (RFC 4511).
        Ldap = "ldap",
        /// LLMNR (RFC 4795).
        Llmnr = "llmnr",
        /// Multicast DNS (RFC 6762).
        Mdns = "mdns",
        /// memcached, text or binary.
        Memcached = "memcached",
        /// MongoDB's wire protocol.
        Mongodb = "mongodb",
        /// MQTT 3.1 to 5.
        Mqtt = "mqtt",
        /// MySQL or MariaDB.
        Mysql = "mysql",
        /// NATS.
        Nats = "nats",
        /// NFS and its helpers (mount, lock) over SunRPC.
        Nfs = "nfs",
        /// NTP (RFC 5905).
        Ntp = "ntp",
        /// OpenVPN.
        Openvpn = "openvpn",
        /// POP3 (RFC 1939).
        Pop3 = "pop3",
        /// PostgreSQL's protocol version 3.
        Postgresql = "postgresql",
        /// QUIC (RFC 9000, 9369).
        Quic = "quic",
        /// RADIUS (RFC 2865).
        Radius = "radius",
        /// Remote Desktop Protocol, with its X.224 and TPKT.
        Rdp = "rdp",
        /// RESP 2 or 3 or inline commands: Redis and compatible servers.
        Redis = "redis",
        /// The rsync daemon's protocol.
        Rsync = "rsync",
        /// RTCP (RFC 3550).
        Rtcp = "rtcp",
        /// RTP (RFC 3550).
        Rtp = "rtp",
        /// RTSP (RFC 2326, 7826).
        Rtsp = "rtsp",
        /// SIP (RFC 3261).
        Sip = "sip",
        /// SMB 1 to 3.
        Smb = "smb",
        /// SMTP or LMTP (RFC 5321).
        Smtp = "smtp",
        /// SNMP (RFC 3416).
        Snmp = "snmp",
        /// SSH (RFC 4253).
        Ssh = "ssh",
        /// StatsD, with DogStatsD's tags.
        Statsd = "statsd",
        /// STOMP 1.0 to 1.2.
        Stomp = "stomp",
        /// SunRPC (RFC 5531) of another program than NFS: portmapper, NIS, …
        Sunrpc = "sunrpc",
        /// syslog (RFC 3164, 5424).
        Syslog = "syslog",
        /// TDS: Microsoft SQL Server, Sybase.
        Tds = "tds",
        /// Telnet (RFC 854).
        Telnet = "telnet",
        /// SSL 3.0 to TLS 1.3.
        Tls = "tls",
        /// Oracle's TNS.
        Tns = "tns",
        /// VNC's remote framebuffer protocol (RFC 6143).
        Vnc = "vnc",
        /// Frames of a WebSocket (RFC 6455); the request for one is `http`.
        Websocket = "websocket",
        /// WireGuard.
        Wireguard = "wireguard",
        /// ZooKeeper, its protocol or its four-letter words.
        Zookeeper = "zookeeper",
        /// The bytes fit no protocol, or more than one. Their exposure can still be
        /// known: text is plaintext, whatever it says.
        Unknown = "unknown",
    }
}

impl Protocol {
    /// Whether this is a more exact name for a flow that began as `other`: the same
    /// protocol, or one that runs inside it.
    #[must_use]
    pub const fn refines(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Grpc, Self::Http2)
                | (Self::Websocket, Self::Http)
                | (Self::Mdns | Self::Llmnr, Self::Dns)
                | (Self::Nfs, Self::Sunrpc)
        )
    }
}

named! {
    /// Whether anyone on the path can read the contents.
    Exposure {
        /// They can be read as they are.
        Plaintext = "plaintext",
        /// They cannot; names in the handshake (SNI, ALPN) still can.
        Encrypted = "encrypted",
        /// These bytes do not decide it.
        Unknown = "unknown",
    }
}

named! {
    /// How sure a verdict is; ordered from none to certain.
    Confidence {
        /// No verdict.
        None = "none",
        /// The bytes fit this protocol and no other known one, but are few; or only
        /// the usual port excludes another.
        Likely = "likely",
        /// The structure of the protocol is present and consistent.
        Certain = "certain",
    }
}

named! {
    /// A kind of credential that crossed the wire in the clear. Never its value.
    CredentialKind {
        /// `Authorization: Basic`: user name and password.
        HttpBasic = "http_basic",
        /// `Authorization: Bearer`.
        HttpBearer = "http_bearer",
        /// `Authorization` by another scheme: Digest, Negotiate, Token, …
        HttpAuthorization = "http_authorization",
        /// `Proxy-Authorization`, whatever the scheme.
        HttpProxyAuthorization = "http_proxy_authorization",
        /// `X-Api-Key` and its like.
        HttpApiKey = "http_api_key",
        /// `Cookie`.
        Cookie = "cookie",
        /// `Set-Cookie`.
        SetCookie = "set_cookie",
        /// User and password in a URL, or a query parameter named like a secret.
        Url = "url",
        /// Redis `AUTH`, `HELLO … AUTH`, `ACL SETUSER`, `CONFIG SET requirepass`.
        RedisAuth = "redis_auth",
        /// memcached: SASL, or the text protocol's user and password.
        MemcachedAuth = "memcached_auth",
        /// PostgreSQL: a password, or what is computed from one.
        PostgresqlPassword = "postgresql_password",
        /// MySQL: a password, or what is computed from one.
        MysqlPassword = "mysql_password",
        /// MongoDB: SASL or older log-ins.
        MongodbAuth = "mongodb_auth",
        /// Cassandra: a SASL answer.
        CassandraAuth = "cassandra_auth",
        /// Kafka: SASL.
        KafkaAuth = "kafka_auth",
        /// SQL Server: user and password, obfuscated at most.
        TdsLogin = "tds_login",
        /// Oracle: a session key or a password computed from one.
        TnsLogin = "tns_login",
        /// AMQP: SASL.
        AmqpAuth = "amqp_auth",
        /// MQTT: password of CONNECT.
        MqttPassword = "mqtt_password",
        /// NATS: token, password or signature of CONNECT.
        NatsAuth = "nats_auth",
        /// STOMP: passcode of CONNECT.
        StompPasscode = "stomp_passcode",
        /// ZooKeeper: an auth packet or a session's password.
        ZookeeperAuth = "zookeeper_auth",
        /// LDAP: simple bind with a password, or SASL.
        LdapBind = "ldap_bind",
        /// SMTP: AUTH.
        SmtpAuth = "smtp_auth",
        /// IMAP: LOGIN or AUTHENTICATE.
        ImapLogin = "imap_login",
        /// POP3: PASS, APOP or AUTH.
        Pop3Password = "pop3_password",
        /// FTP: PASS.
        FtpPassword = "ftp_password",
        /// Telnet: what is typed at a prompt for a password.
        TelnetLogin = "telnet_login",
        /// IRC: PASS, OPER, AUTHENTICATE, or a password sent to NickServ.
        IrcPassword = "irc_password",
        /// SIP or RTSP: an answer to a challenge for a password.
        SipDigest = "sip_digest",
        /// rsync daemon: an answer to a challenge.
        RsyncAuth = "rsync_auth",
        /// VNC: a challenge or an answer to one.
        VncAuth = "vnc_auth",
        /// SNMP 1 or 2c: the community, which is all the authentication there is.
        SnmpCommunity = "snmp_community",
        /// RADIUS: a password hidden with MD5, or a CHAP answer.
        RadiusPassword = "radius_password",
        /// Kerberos: a ticket or pre-authentication that passwords can be tried against off line.
        Kerberos = "kerberos",
        /// NTLM: a response that passwords can be tried against off line; in SMB, HTTP, LDAP, TDS.
        Ntlm = "ntlm",
        /// RDP: user and password of a client's info packet.
        RdpLogin = "rdp_login",
        /// memberlist: a key that is distributed to the members.
        GossipKey = "gossip_key",
        /// A private key (`-----BEGIN … PRIVATE KEY-----`), in any protocol.
        PrivateKey = "private_key",
        /// An AWS access key, in any protocol.
        AwsKey = "aws_key",
        /// A token of a well-known issuer (GitHub, Slack, Stripe, …), in any protocol.
        ApiKey = "api_key",
        /// A JSON web token, in any protocol.
        Jwt = "jwt",
        /// A field named like a password or key, in a form, JSON or YAML, in any protocol.
        PasswordField = "password_field",
    }
}
