//! Messages of every protocol of text, after the examples of the RFCs and what
//! servers send: what the tests that go over all protocols are fed with.
//!
//! `s3cr3t` stands wherever a secret can.

use super::*;

/// A message, and what is to be found in it.
pub(super) struct Sample {
    pub(super) protocol: Protocol,
    pub(super) port: u16,
    pub(super) is_request: bool,
    pub(super) transport: Transport,
    pub(super) bytes: &'static [u8],
    pub(super) credentials: &'static [CredentialKind],
}

impl Sample {
    pub(super) fn payload(&self) -> Payload<'_> {
        self.cut(self.bytes.len())
    }

    /// The same, captured up to here.
    pub(super) fn cut(&self, end: usize) -> Payload<'_> {
        let (src, dst) = if self.is_request {
            (CLIENT, self.port)
        } else {
            (self.port, CLIENT)
        };
        Payload {
            transport: self.transport,
            ..payload(&self.bytes[..end], self.bytes.len(), src, dst)
        }
    }

    /// The same between ports that no protocol uses.
    pub(super) fn off_port(&self) -> Payload<'_> {
        Payload {
            src_port: CLIENT,
            dst_port: CLIENT + 1,
            ..self.payload()
        }
    }
}

const fn to(protocol: Protocol, port: u16, bytes: &'static [u8]) -> Sample {
    Sample {
        protocol,
        port,
        is_request: true,
        transport: Transport::Tcp,
        bytes,
        credentials: &[],
    }
}

const fn from(protocol: Protocol, port: u16, bytes: &'static [u8]) -> Sample {
    Sample {
        is_request: false,
        ..to(protocol, port, bytes)
    }
}

impl Sample {
    const fn udp(self) -> Self {
        self.over(Transport::Udp)
    }

    const fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    const fn with(self, credentials: &'static [CredentialKind]) -> Self {
        Self {
            credentials,
            ..self
        }
    }
}

/// A packet of RTP: 20 ms of silence in A-law.
const SILENCE: [u8; 172] = {
    let mut packet = [0xd5; 172];
    let header = [0x80, 8, 0x12, 0x34, 0, 0, 1, 0x40, 0xde, 0xad, 0xbe, 0xef];
    let mut at = 0;
    while at < header.len() {
        packet[at] = header[at];
        at += 1;
    }
    packet
};

use CredentialKind as Kind;
use Protocol::*;

#[rustfmt::skip]
pub(super) const SAMPLES: &[Sample] = &[
    // RFC 5321 appendix D, RFC 4954, Postfix.
    from(Smtp, 25, b"220 mail.example.org ESMTP Postfix (Debian/GNU)\r\n"),
    to(Smtp, 25, b"EHLO client.example.org\r\n"),
    from(Smtp, 25, b"250-mail.example.org\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME\r\n"),
    to(Smtp, 25, b"STARTTLS\r\n"),
    from(Smtp, 25, b"220 2.0.0 Ready to start TLS\r\n"),
    to(Smtp, 587, b"AUTH PLAIN AHMzY3IzdABzM2NyM3Q=\r\n").with(&[Kind::SmtpAuth]),
    from(Smtp, 587, b"334 UGFzc3dvcmQ6\r\n"),
    to(Smtp, 587, b"czNjcjN0\r\n").with(&[Kind::SmtpAuth]),
    from(Smtp, 587, b"235 2.7.0 Authentication successful\r\n"),
    from(Smtp, 587, b"535 5.7.8 Error: authentication failed: s3cr3t\r\n"),
    to(Smtp, 25, b"MAIL FROM:<s3cr3t@example.org> SIZE=300\r\n"),
    to(Smtp, 25, b"RCPT TO:<s3cr3t@example.org>\r\n"),
    from(Smtp, 25, b"250 2.1.0 Ok\r\n"),
    to(Smtp, 25, b"DATA\r\n"),
    from(Smtp, 25, b"354 End data with <CR><LF>.<CR><LF>\r\n"),
    to(Smtp, 25, b"Date: Mon, 23 Nov 2026 04:00:00 +0000\r\nSubject: s3cr3t\r\n\r\ns3cr3t\r\n.\r\n"),
    from(Smtp, 25, b"250 2.0.0 Ok: queued as 3F2A81C0\r\n"),
    to(Smtp, 25, b"QUIT\r\n"),
    from(Smtp, 25, b"221 2.0.0 Bye\r\n"),
    from(Smtp, 24, b"220 mail.example.org LMTP ready\r\n"),
    to(Smtp, 24, b"LHLO client\r\n"),
    to(Smtp, 25, b"MAIL FROM:<>\r\nRCPT TO:<s3cr3t@example.org>\r\nDATA\r\n"),
    // RFC 959, vsftpd.
    from(Ftp, 21, b"220 (vsFTPd 3.0.3)\r\n"),
    to(Ftp, 21, b"USER alice\r\n"),
    from(Ftp, 21, b"331 Please specify the password.\r\n"),
    to(Ftp, 21, b"PASS s3cr3t\r\n").with(&[Kind::FtpPassword]),
    from(Ftp, 21, b"230 Login successful.\r\n"),
    to(Ftp, 21, b"SYST\r\n"),
    from(Ftp, 21, b"215 UNIX Type: L8\r\n"),
    to(Ftp, 21, b"TYPE I\r\n"),
    from(Ftp, 21, b"200 Switching to Binary mode.\r\n"),
    to(Ftp, 21, b"PASV\r\n"),
    from(Ftp, 21, b"227 Entering Passive Mode (10,0,1,3,156,64).\r\n"),
    to(Ftp, 21, b"EPSV\r\n"),
    from(Ftp, 21, b"229 Entering Extended Passive Mode (|||40000|)\r\n"),
    to(Ftp, 21, b"PORT 10,0,1,7,156,65\r\n"),
    to(Ftp, 21, b"RETR /pub/file.txt\r\n"),
    from(Ftp, 21, b"150 Opening BINARY mode data connection for /pub/file.txt (16 bytes).\r\n"),
    from(Ftp, 21, b"226 Transfer complete.\r\n"),
    from(Ftp, 21, b"257 \"/\" is the current directory\r\n"),
    to(Ftp, 21, b"AUTH TLS\r\n"),
    from(Ftp, 21, b"221 Goodbye.\r\n"),
    from(Ftp, 21, b"211-Features:\r\n EPRT\r\n EPSV\r\n"),
    // RFC 1939, Dovecot.
    from(Pop3, 110, b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n"),
    from(Pop3, 110, b"+OK Dovecot (Debian) ready.\r\n"),
    to(Pop3, 110, b"CAPA\r\n"),
    from(Pop3, 110, b"+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nSTLS\r\nSASL\r\n.\r\n"),
    to(Pop3, 110, b"USER alice\r\n"),
    from(Pop3, 110, b"+OK\r\n"),
    to(Pop3, 110, b"PASS s3cr3t\r\n").with(&[Kind::Pop3Password]),
    to(Pop3, 110, b"APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n").with(&[Kind::Pop3Password]),
    to(Pop3, 110, b"AUTH PLAIN AHMzY3IzdABzM2NyM3Q=\r\n").with(&[Kind::Pop3Password]),
    from(Pop3, 110, b"+OK Logged in.\r\n"),
    to(Pop3, 110, b"STAT\r\n"),
    from(Pop3, 110, b"+OK 2 320\r\n"),
    to(Pop3, 110, b"LIST\r\n"),
    from(Pop3, 110, b"+OK 2 messages:\r\n1 120\r\n2 200\r\n.\r\n"),
    to(Pop3, 110, b"RETR 1\r\n"),
    from(Pop3, 110, b"+OK 120 octets\r\nSubject: s3cr3t\r\n\r\ns3cr3t\r\n.\r\n"),
    from(Pop3, 110, b"-ERR [AUTH] Authentication failed.\r\n"),
    to(Pop3, 110, b"STLS\r\n"),
    to(Pop3, 110, b"QUIT\r\n"),
    // RFC 9051 section 8, Dovecot.
    from(Imap, 143, b"* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS AUTH=PLAIN] Dovecot (Debian) ready.\r\n"),
    to(Imap, 143, b"a001 CAPABILITY\r\n"),
    to(Imap, 143, b"a001 LOGIN alice s3cr3t\r\n").with(&[Kind::ImapLogin]),
    to(Imap, 143, b"a001 LOGIN \"alice\" \"s3cr3t\"\r\n").with(&[Kind::ImapLogin]),
    to(Imap, 143, b"A AUTHENTICATE PLAIN AHMzY3IzdABzM2NyM3Q=\r\n").with(&[Kind::ImapLogin]),
    from(Imap, 143, b"a001 OK [CAPABILITY IMAP4rev1] Logged in\r\n"),
    to(Imap, 143, b"a002 SELECT INBOX\r\n"),
    from(Imap, 143, b"* 18 EXISTS\r\n* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n* 2 RECENT\r\na002 OK [READ-WRITE] SELECT completed\r\n"),
    to(Imap, 143, b"a003 FETCH 12 BODY[HEADER]\r\n"),
    from(Imap, 143, b"* 12 FETCH (BODY[HEADER] {35}\r\nSubject: s3cr3t\r\nFrom: s3cr3t\r\n\r\n)\r\na003 OK FETCH completed\r\n"),
    to(Imap, 143, b"a004 UID FETCH 1:* (FLAGS)\r\n"),
    to(Imap, 143, b"a005 IDLE\r\n"),
    from(Imap, 143, b"+ idling\r\n"),
    to(Imap, 143, b"DONE\r\n"),
    to(Imap, 143, b"a006 LOGOUT\r\n"),
    from(Imap, 143, b"* BYE Logging out\r\na006 OK Logout completed.\r\n"),
    // RFC 854: what a Linux client and server negotiate.
    to(Telnet, 23, b"\xff\xfd\x03\xff\xfb\x18\xff\xfb\x1f\xff\xfb\x20\xff\xfb\x21\xff\xfb\x22\xff\xfb\x27\xff\xfd\x05"),
    from(Telnet, 23, b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27"),
    from(Telnet, 23, b"\xff\xfa\x18\x01\xff\xf0"),
    to(Telnet, 23, b"\xff\xfa\x18\x00XTERM-256COLOR\xff\xf0"),
    from(Telnet, 23, b"\xff\xfb\x01host01 login: "),
    to(Telnet, 23, b"a"),
    to(Telnet, 23, b"alice\r\0"),
    from(Telnet, 23, b"\r\nPassword: ").with(&[Kind::TelnetLogin]),
    from(Telnet, 23, b"\x1b[01;34mbin\x1b[0m  s3cr3t.txt\r\nalice@host01:~$ "),
    // RFC 2812, IRCv3.
    to(Irc, 6667, b"CAP LS 302\r\nNICK alice\r\nUSER alice 0 * :Alice s3cr3t\r\n"),
    to(Irc, 6667, b"PASS s3cr3t\r\nNICK alice\r\n").with(&[Kind::IrcPassword]),
    from(Irc, 6667, b":irc.example.org 001 alice :Welcome to the Internet Relay Network alice\r\n"),
    from(Irc, 6667, b":irc.example.org NOTICE * :*** Looking up your hostname...\r\n"),
    to(Irc, 6667, b"JOIN #project\r\n"),
    from(Irc, 6667, b":alice!alice@host01 JOIN :#project\r\n"),
    to(Irc, 6667, b"PRIVMSG #project :s3cr3t words\r\n"),
    to(Irc, 6667, b"PRIVMSG NickServ :IDENTIFY s3cr3t\r\n").with(&[Kind::IrcPassword]),
    from(Irc, 6667, b":bob!bob@host02 PRIVMSG #project :s3cr3t words\r\n"),
    from(Irc, 6667, b"PING :irc.example.org\r\n"),
    to(Irc, 6667, b"PONG :irc.example.org\r\n"),
    to(Irc, 6667, b"AUTHENTICATE PLAIN\r\n"),
    to(Irc, 6667, b"AUTHENTICATE czNjcjN0AHMzY3IzdABzM2NyM3Q=\r\n").with(&[Kind::IrcPassword]),
    from(Irc, 6667, b"ERROR :Closing Link: alice[host01] (Quit: s3cr3t)\r\n"),
    // The NATS documentation.
    from(Nats, 4222, b"INFO {\"server_id\":\"NDHBLLCIGK3P\",\"server_name\":\"n1\",\"version\":\"2.10.7\",\"proto\":1,\"nonce\":\"s3cr3t\"} \r\n"),
    to(Nats, 4222, b"CONNECT {\"verbose\":false,\"pedantic\":false,\"user\":\"alice\",\"pass\":\"s3cr3t\",\"lang\":\"go\"}\r\nPING\r\n").with(&[Kind::NatsAuth]),
    to(Nats, 4222, b"CONNECT {\"auth_token\":\"s3cr3t\",\"verbose\":true}\r\n").with(&[Kind::NatsAuth, Kind::PasswordField]),
    from(Nats, 4222, b"PONG\r\n"),
    to(Nats, 4222, b"SUB orders.new 1\r\n"),
    to(Nats, 4222, b"PUB orders.new 11\r\ns3cr3t text\r\n"),
    from(Nats, 4222, b"MSG orders.new 1 11\r\ns3cr3t text\r\n"),
    from(Nats, 4222, b"HMSG orders.new 1 _INBOX.s3cr3t 34 45\r\nNATS/1.0\r\nA: s3cr3t\r\n\r\ns3cr3t text\r\n"),
    from(Nats, 4222, b"-ERR 'Authorization Violation'\r\n"),
    from(Nats, 4222, b"+OK\r\n"),
    to(Nats, 4222, b"UNSUB 1\r\n"),
    // STOMP 1.2.
    to(Stomp, 61613, b"CONNECT\naccept-version:1.2\nhost:/\nlogin:alice\npasscode:s3cr3t\n\n\0").with(&[Kind::StompPasscode]),
    from(Stomp, 61613, b"CONNECTED\nversion:1.2\nsession:session-s3cr3t\nserver:RabbitMQ/3.10.8\nheart-beat:0,0\n\n\0"),
    to(Stomp, 61613, b"SEND\ndestination:/queue/orders\ncontent-type:text/plain\n\ns3cr3t\0"),
    to(Stomp, 61613, b"SUBSCRIBE\nid:0\ndestination:/queue/orders\nack:client\n\n\0"),
    from(Stomp, 61613, b"MESSAGE\nsubscription:0\nmessage-id:007\ndestination:/queue/orders\n\ns3cr3t\0"),
    from(Stomp, 61613, b"ERROR\nmessage:malformed frame received\n\ns3cr3t\0"),
    to(Stomp, 61613, b"\n"),
    // memcached's doc/protocol.txt.
    to(Memcached, 11211, b"get user:42:name\r\n"),
    to(Memcached, 11211, b"set user:42:name 0 900 6\r\ns3cr3t\r\n"),
    to(Memcached, 11211, b"set session:s3cr3t 0 900 6 noreply\r\ns3cr3t\r\n"),
    from(Memcached, 11211, b"STORED\r\n"),
    from(Memcached, 11211, b"VALUE user:42:name 0 6\r\ns3cr3t\r\nEND\r\n"),
    from(Memcached, 11211, b"END\r\n"),
    to(Memcached, 11211, b"incr hits 1\r\n"),
    to(Memcached, 11211, b"delete user:42\r\n"),
    from(Memcached, 11211, b"NOT_FOUND\r\n"),
    to(Memcached, 11211, b"stats\r\n"),
    from(Memcached, 11211, b"STAT pid 123\r\nSTAT uptime 5\r\nEND\r\n"),
    to(Memcached, 11211, b"version\r\n"),
    from(Memcached, 11211, b"VERSION 1.6.18\r\n"),
    to(Memcached, 11211, b"mg user:42 v t\r\n"),
    from(Memcached, 11211, b"VA 6 t900\r\ns3cr3t\r\n"),
    from(Memcached, 11211, b"CLIENT_ERROR bad data chunk\r\n"),
    to(Memcached, 11211, b"\0\x01\0\0\0\x01\0\0get user:42\r\n").udp(),
    from(Memcached, 11211, b"\0\x01\0\0\0\x01\0\0VALUE user:42 0 6\r\ns3cr3t\r\nEND\r\n").udp(),
    // RFC 3261 section 24.
    to(Sip, 5060, b"INVITE sip:bob@biloxi.example.com SIP/2.0\r\nVia: SIP/2.0/UDP pc33.atlanta.example.com\r\nTo: Bob <sip:bob@biloxi.example.com>\r\nContent-Length: 0\r\n\r\n").udp(),
    from(Sip, 5060, b"SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP pc33.atlanta.example.com\r\n\r\n").udp(),
    to(Sip, 5060, b"REGISTER sip:registrar.biloxi.example.com SIP/2.0\r\nAuthorization: Digest username=\"bob\", response=\"s3cr3t\"\r\n\r\n").udp().with(&[Kind::SipDigest]),
    to(Sip, 5060, b"OPTIONS sip:carol@chicago.example.com SIP/2.0\r\nMax-Forwards: 70\r\n\r\n"),
    to(Sip, 5060, b"\r\n\r\n").udp(),
    to(Rtsp, 554, b"DESCRIBE rtsp://media.example.com/live RTSP/1.0\r\nCSeq: 2\r\n\r\n"),
    to(Rtsp, 554, b"OPTIONS rtsp://alice:s3cr3t@media.example.com/live RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
    from(Rtsp, 554, b"RTSP/1.0 200 OK\r\nCSeq: 2\r\n\r\n"),
    // RFC 3164 section 5.4, RFC 5424 section 6.5, RFC 6587.
    to(Syslog, 514, b"<34>Oct 11 22:14:15 mymachine su: 's3cr3t' failed for lonvick on /dev/pts/8").udp(),
    to(Syslog, 514, b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - s3cr3t").udp(),
    to(Syslog, 514, b"<13>s3cr3t happened").udp(),
    to(Syslog, 601, b"83 <34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - 's3cr3t' failed here"),
    // StatsD and DogStatsD.
    to(Statsd, 8125, b"page.views:1|c").udp(),
    to(Statsd, 8125, b"gorets:1|c\nglork:320|ms|@0.1\ngaugor:333|g\nuniques:765|s\n").udp(),
    to(Statsd, 8125, b"users.online:1|c|#country:s3cr3t").udp(),
    to(Statsd, 8125, b"_e{5,6}:title|s3cr3t|#tag:x").udp(),
    // ZooKeeper's administrator's guide.
    to(Zookeeper, 2181, b"ruok"),
    from(Zookeeper, 2181, b"imok"),
    to(Zookeeper, 2181, b"srvr\n"),
    from(Zookeeper, 2181, b"Zookeeper version: 3.8.0--1, built on 2022-02-25\nLatency min/avg/max: 0/0/0\n"),
    from(Zookeeper, 2181, b"zk_version\t3.8.0\nzk_avg_latency\t0\n"),
    // RFC 6143.
    from(Vnc, 5900, b"RFB 003.008\n"),
    from(Vnc, 5900, b"\x02\x01\x02"),
    from(Vnc, 5900, b"\x9a\x31\x02\x77\xe4\x10\xc8\x5d\x33\xf0\x0b\x96\x41\xd2\x8e\x6f").with(&[Kind::VncAuth]),
    from(Vnc, 5900, b"\0\0\0\x02\x9a\x31\x02\x77\xe4\x10\xc8\x5d\x33\xf0\x0b\x96\x41\xd2\x8e\x6f").with(&[Kind::VncAuth]),
    from(Vnc, 5900, b"\0\x40\0\x30\x10\x10\0\x01\0\x1f\0\x3f\0\x1f\x0b\x05\0\0\0\0\0\0\0\x06host01"),
    to(Vnc, 5900, b"\x04\x01\0\0\0\0\0\x61\x05\0\x01\x10\x01\x20"),
    to(Vnc, 5900, b"\x03\x01\0\0\0\0\x04\0\x03\0"),
    // RFC 4253; recorded from OpenSSH 9.2.
    from(Ssh, 22, b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
    to(Ssh, 22, b"SSH-2.0-libssh2_1.10.0\r\n"),
    // rsync 3.2.7, git 2.39.
    from(Rsync, 873, b"@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\n"),
    to(Rsync, 873, b"backup\n"),
    from(Rsync, 873, b"@RSYNCD: AUTHREQD s3cr3tRq3u6DPL5uYDWS3A\n"),
    to(Rsync, 873, b"alice s3cr3tMFGOPPuQkqxcdQ0a1Z\n").with(&[Kind::RsyncAuth]),
    to(Git, 9418, b"0033git-upload-pack /project.git\0host=myserver.com\0"),
    from(Git, 9418, b"00887217a7c7e582c46cec22a130adf4b9d7d950fba0 HEAD\0multi_ack thin-pack side-band side-band-64k ofs-delta shallow no-progress\n"),
    to(Git, 9418, b"0032want 7217a7c7e582c46cec22a130adf4b9d7d950fba0\n00000009done\n"),
    from(Git, 9418, b"0008NAK\n"),
    // BEP 3, 5, 15.
    to(Bittorrent, 6881, b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x05aaaaaaaaaaaaaaaaaaaa-TR2940-k8hj0wgej6ch"),
    to(Bittorrent, 6881, b"\0\0\0\x0d\x06\0\0\0\x01\0\0\x40\0\0\0\x40\0"),
    to(Bittorrent, 6881, b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe").udp(),
    from(Bittorrent, 6881, b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re").udp(),
    to(Bittorrent, 6969, b"\0\0\x04\x17\x27\x10\x19\x80\0\0\0\0\x12\x34\x56\x78").udp(),
    // RFC 792, 4443: with the header, as there are no ports.
    to(Icmp, 0, b"\x08\0\xf7\xff\0\x01\0\x01abcdefghijklmnopqrstuvwabcdefghi").over(Transport::Icmp),
    to(Icmp, 0, b"\x80\0\x12\x34\0\x01\0\x01s3cr3t").over(Transport::Icmpv6),
    // RFC 3550: 20 ms of silence in A-law; a receiver's report and a description.
    to(Rtp, 40_002, &SILENCE).udp(),
    to(Rtcp, 40_003, b"\x80\xc9\0\x01\xde\xad\xbe\xef\x81\xca\0\x04\xde\xad\xbe\xef\x01\x08a@host01\0\0").udp(),
    // RFC 6455 section 5.7.
    from(Websocket, 8080, b"\x81\x05Hello"),
    to(Websocket, 8080, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"),
    from(Websocket, 8080, b"\x81\x16{\"event\":\"s3cr3t now\"}"),
    from(Websocket, 8080, b"\x89\x05Hello"),
    // RFC 9113 section 3.4, RFC 7541 appendix C.
    to(Http2, 80, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64"),
    from(Http2, 80, b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\0\0\x04\x01\0\0\0\0"),
    to(Http2, 80, b"\0\0\x14\x01\x05\0\0\0\x01\x82\x86\x84\x41\x0fwww.example.com"),
    to(Http2, 80, b"\0\0\x1a\x01\x05\0\0\0\x03\x82\x86\x04\x09/?a=s3cr3\x5f\x0bBear s3cr3t"),
    to(Grpc, 50_051, b"\0\0\x31\x01\x04\0\0\0\x01\x83\x86\x44\x0f/pkg.Svc/Method\x5f\x10application/grpc\x41\x08host01:1\0\0\x0d\0\x01\0\0\0\x01\0\0\0\0\x08\x0a\x06s3cr3t"),
    from(Grpc, 50_051, b"\0\0\x0d\0\0\0\0\0\x01\0\0\0\0\x08\x0a\x06s3cr3t"),
];
