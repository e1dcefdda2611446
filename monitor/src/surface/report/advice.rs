//! What to do about plaintext.

use super::chapter::{Chapter, Row};
use super::conversation::Place;
use crate::host::platform::Platform;
use crate::policy::{Requirement, Source};
use monitor_classify::{CredentialKind, Exposure, Protocol};

/// What to do about a network as a whole; `None` if nothing of interest is readable.
#[must_use]
pub fn of_chapter(chapter: &Chapter, platform: Platform) -> Option<String> {
    if !chapter.rows.iter().any(is_telling) {
        return None;
    }
    let required = chapter.network.as_ref().map(|network| network.required);
    let is_of_docker = chapter
        .network
        .as_ref()
        .is_some_and(|network| network.source == Source::Docker);
    let platform = if is_of_docker {
        Platform::Docker
    } else {
        platform
    };
    let text = match (chapter.place, required) {
        (Place::Host, _) => {
            "Encryption of an overlay does not cover published ports: serve TLS at the port itself, or in a proxy in front \
             of it"
        }
        (Place::Vni(_) | Place::Others, Some(Requirement::Required)) => {
            "It must be encrypted, and is not: see the violation and its likely cause"
        }
        (Place::Vni(_) | Place::Others, Some(Requirement::Forbidden)) => {
            "The network must not encrypt it: secrets need TLS in the application"
        }
        (Place::Vni(_) | Place::Others, Some(Requirement::Optional) | None)
            if chapter.is_ingress() =>
        {
            "Docker does not encrypt the path between nodes behind a published port. Recreate the ingress network: \
             docker network rm ingress; docker network create -d overlay --ingress --opt encrypted ingress"
        }
        (Place::Vni(_) | Place::Others, Some(Requirement::Optional) | None) => {
            return Some(format!(
                "Encrypt the network: {}",
                platform.how_to_encrypt()
            ));
        }
    };
    Some(text.to_owned())
}

/// Whether more is readable than the housekeeping of hosts.
const fn is_telling(row: &Row) -> bool {
    let is_housekeeping = matches!(
        row.protocol,
        Protocol::Dhcp | Protocol::Icmp | Protocol::Llmnr | Protocol::Mdns | Protocol::Ntp
    );
    matches!(row.exposure, Exposure::Plaintext) && !is_housekeeping
}

/// What to do about one protocol; `None` if it reveals nothing.
#[must_use]
pub fn of_row(row: &Row) -> Option<&'static str> {
    match row.exposure {
        Exposure::Plaintext => Some(instead_of(row.protocol)),
        Exposure::Encrypted => None,
        Exposure::Unknown if row.conversations.is_empty() => None,
        Exposure::Unknown => {
            Some("Unrecognised: look at the packets (overlay-monitor tail), and ask its operator")
        }
    }
}

/// What to do about credentials in cleartext.
#[must_use]
pub fn of_credentials(row: &Row) -> Option<&'static str> {
    if row.credentials.is_empty() {
        None
    } else if row.credentials.contains(&CredentialKind::PrivateKey) {
        Some(
            "Anyone on the path has the key: replace it, and what was signed with it, once the path is encrypted",
        )
    } else {
        Some("Anyone on the path has them: change them, once the path is encrypted")
    }
}

/// The encrypted alternative to a protocol.
const fn instead_of(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Amqp => "RabbitMQ: listeners.ssl.default = 5671 and listeners.tcp = none",
        Protocol::Bittorrent => "Keep it off this network: its encryption is weak",
        Protocol::Cassandra => {
            "cassandra.yaml: client_encryption_options and server_encryption_options, with optional: false"
        }
        Protocol::Dhcp => "It has no encryption: keep it on the local link",
        Protocol::Dns | Protocol::Llmnr | Protocol::Mdns => {
            "DNS over TLS or HTTPS to the resolver, if names are confidential"
        }
        Protocol::Elasticsearch => "elasticsearch.yml: xpack.security.transport.ssl.enabled: true",
        Protocol::Ftp => "SFTP instead, or FTPS that refuses to log in without TLS",
        Protocol::Git => "git over SSH or HTTPS, not git://",
        Protocol::Gossip => "Consul and Serf: a key by encrypt (consul keygen)",
        Protocol::Grpc | Protocol::Http | Protocol::Http2 | Protocol::Websocket => {
            "HTTPS: a certificate in the server, or in a proxy beside it on the same host"
        }
        Protocol::Icmp => {
            "It reveals only which hosts exist; encryption of the network hides that too"
        }
        Protocol::Imap | Protocol::Pop3 => {
            "Dovecot: ssl = required, so that no client can log in before STARTTLS"
        }
        Protocol::Irc => "The server's TLS port (6697) only",
        Protocol::Kafka => "listeners=SASL_SSL://… and security.inter.broker.protocol=SASL_SSL",
        Protocol::Kerberos => {
            "Designed for open networks, but weak passwords can be tried offline: use long keys, and FAST"
        }
        Protocol::Ldap => {
            "LDAPS or StartTLS; OpenLDAP refuses anything else with olcSecurity: tls=1"
        }
        Protocol::Memcached => {
            "memcached --enable-ssl with a certificate (ssl_chain_cert, ssl_key), or keep it on one host"
        }
        Protocol::Mongodb => "mongod.conf: net.tls.mode: requireTLS",
        Protocol::Mqtt => "A listener with certfile and keyfile (8883), and none without",
        Protocol::Mysql => "require_secure_transport = ON, and clients that check the certificate",
        Protocol::Nats => "A tls { … } block in the server's configuration",
        Protocol::Nfs | Protocol::Sunrpc => "NFS with xprtsec=tls (Linux 6.5), or sec=krb5p",
        Protocol::Ntp => "It holds no secret; NTS protects it from forgery",
        Protocol::Postgresql => "ssl = on, and hostssl instead of host in pg_hba.conf",
        Protocol::Radius => "RADIUS over TLS (RFC 6614): MD5 does not hide a password",
        Protocol::Rdp => "Require TLS and network level authentication",
        Protocol::Redis => {
            "redis.conf: tls-port 6379 and port 0 (Redis 6). requirepass does not help: the password is sent in cleartext too"
        }
        Protocol::Rsync => "rsync over SSH (-e ssh), not the daemon's port",
        Protocol::Rtcp | Protocol::Rtp => "SRTP",
        Protocol::Rtsp => "RTSP over TLS (322), with SRTP",
        Protocol::Sip => "SIP over TLS (5061), with SRTP",
        Protocol::Smb => "smb.conf: server smb encrypt = required (SMB 3)",
        Protocol::Smtp => {
            "Postfix between servers of your own: smtp_tls_security_level = encrypt; log-ins: smtpd_tls_auth_only = yes"
        }
        Protocol::Snmp => "SNMPv3 with authPriv: the community is a password in cleartext",
        Protocol::Statsd => {
            "It has no encryption: send it within one host, or in an encrypted network"
        }
        Protocol::Stomp => {
            "The broker's TLS listener (RabbitMQ: stomp.listeners.ssl.default = 61614)"
        }
        Protocol::Syslog => "syslog over TLS (RFC 5425, port 6514)",
        Protocol::Tds => "SQL Server: force encryption, and Encrypt=strict in the clients",
        Protocol::Telnet => "SSH instead",
        Protocol::Tns => "SQLNET.ENCRYPTION_SERVER = REQUIRED, or a TCPS listener",
        Protocol::Vnc => "VNC through SSH, or VeNCrypt with TLS",
        Protocol::Zookeeper => "secureClientPort with a key store, and no clientPort",
        Protocol::Dtls
        | Protocol::Ike
        | Protocol::Ipsec
        | Protocol::Openvpn
        | Protocol::Quic
        | Protocol::Ssh
        | Protocol::Tls
        | Protocol::Wireguard => {
            "It could encrypt and does not: look for a NULL cipher, or authentication alone, in its configuration"
        }
        Protocol::Unknown => "Identify the program (overlay-monitor tail), then use its TLS",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::surface::report::tests::hostile;

    #[test]
    fn the_advice_for_a_network_is_for_the_platform_that_is_there() {
        let mut chapter = hostile().exposure.chapters[0].clone();
        let network = chapter.network.as_mut().unwrap();
        network.required = Requirement::Optional;
        network.source = Source::Config;
        let advice = |platform| of_chapter(&chapter, platform).unwrap();
        assert!(advice(Platform::Flannel).contains("wireguard-native"));
        for platform in [Platform::Flannel, Platform::Calico, Platform::Cilium] {
            assert!(!advice(platform).contains("ocker"), "{}", advice(platform));
        }
        assert!(advice(Platform::Docker).contains("--opt encrypted"));
        // What Docker reports is Docker's, whatever else is on the host.
        chapter.network.as_mut().unwrap().source = Source::Docker;
        let advice = of_chapter(&chapter, Platform::Flannel).unwrap();
        assert!(advice.contains("--opt encrypted"), "{advice}");
    }
}
