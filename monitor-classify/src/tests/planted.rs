//! Random tokens in every place of a message that evidence can name: none may show.

use super::*;
use crate::secret::tests::{BASE62, HEX, Random, URL_SAFE};

/// Tokens that are planted for each protocol.
const TOKENS: usize = 1000;

/// A message with a token in it.
type Plant = fn(&str) -> Vec<u8>;

/// The protocol that must be recognised, its port, the transport, and messages of the client.
pub(super) struct Row(
    pub(super) Protocol,
    pub(super) u16,
    pub(super) Transport,
    &'static [Plant],
);

impl Row {
    /// Its messages with this token in them.
    pub(super) fn messages(&self, token: &str) -> impl Iterator<Item = Vec<u8>> {
        self.3.iter().map(move |plant| plant(token))
    }
}

const TCP: Transport = Transport::Tcp;
const UDP: Transport = Transport::Udp;

/// Text behind a length of 8, 16 or 32 bits.
fn s8(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

fn s16(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

/// A body behind its length of 32 bits, which counts so many bytes more.
fn framed(body: &[u8], more: usize) -> Vec<u8> {
    [&((body.len() + more) as u32).to_be_bytes()[..], body].concat()
}

fn ber(tag: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 256);
    [&[tag, 0x81, body.len() as u8], body].concat()
}

fn resp(words: &[&str]) -> Vec<u8> {
    let words: String = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()))
        .collect();
    words.into_bytes()
}

fn mqtt(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    [
        &[kind, (length % 128) as u8 | 0x80, (length / 128) as u8],
        body,
    ]
    .concat()
}

fn mqtt_connect(client: &str, user: &str) -> Vec<u8> {
    mqtt(
        0x10,
        &[b"\0\x04MQTT\x04\x82\0\x3c", &s16(client)[..], &s16(user)].concat(),
    )
}

fn amqp(class: u8, method: u8, arguments: &[u8]) -> Vec<u8> {
    let body = [&[0, class, 0, method], arguments].concat();
    [b"\x01\0\x01", &framed(&body, 0)[..], b"\xce"].concat()
}

fn kafka(client: &str, topic: &str) -> Vec<u8> {
    let body = [
        &[0, 3, 0, 1, 0, 0, 0, 7][..],
        &s16(client),
        &[0, 0, 0, 1],
        &s16(topic),
    ]
    .concat();
    framed(&body, 0)
}

fn pg_startup(user: &str, database: &str) -> Vec<u8> {
    let body = format!("\0\x03\0\0user\0{user}\0database\0{database}\0\0");
    framed(body.as_bytes(), 4)
}

fn pg_query(sql: &str) -> Vec<u8> {
    [&b"Q"[..], &framed(format!("{sql}\0").as_bytes(), 4)].concat()
}

fn mysql(sequence: u8, body: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = (body.len() as u32).to_le_bytes();
    [&[a, b, c, sequence], body].concat()
}

fn bson(name: &str, value: &str) -> Vec<u8> {
    let mut elements = [&[2][..], name.as_bytes(), &[0]].concat();
    elements.extend((value.len() as u32 + 1).to_le_bytes());
    elements.extend(value.as_bytes());
    elements.push(0);
    elements
}

fn mongodb(collection: &str, database: &str) -> Vec<u8> {
    let elements = [bson("find", collection), bson("$db", database), vec![0]].concat();
    let document = [&(elements.len() as u32 + 4).to_le_bytes()[..], &elements].concat();
    let body = [&[0; 4][..], &[0], &document].concat();
    let mut message = (body.len() as u32 + 16).to_le_bytes().to_vec();
    message.extend([7, 0, 0, 0, 0, 0, 0, 0, 0xdd, 7, 0, 0]);
    message.extend(body);
    message
}

fn cql(sql: &str) -> Vec<u8> {
    let body = [&framed(sql.as_bytes(), 0)[..], &[0, 1, 0]].concat();
    [&[4, 0, 0, 1, 7][..], &framed(&body, 0)].concat()
}

fn dns(labels: &[&str]) -> Vec<u8> {
    let names: Vec<u8> = labels.iter().flat_map(|label| s8(label)).collect();
    [
        b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0",
        &names[..],
        b"\0\0\x01\0\x01",
    ]
    .concat()
}

fn client_hello(name: &str, protocol: &str) -> Vec<u8> {
    let host = [&[0][..], &s16(name)].concat();
    let list = [&(host.len() as u16).to_be_bytes()[..], &host].concat();
    let sni = [&[0, 0][..], &(list.len() as u16).to_be_bytes(), &list].concat();
    let names = s8(protocol);
    let list = [&(names.len() as u16).to_be_bytes()[..], &names].concat();
    let alpn = [&[0, 16][..], &(list.len() as u16).to_be_bytes(), &list].concat();
    let extensions = [sni, alpn].concat();
    let mut body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0x13, 1, 1, 0]].concat();
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let message = [&[1, 0][..], &(body.len() as u16).to_be_bytes(), &body].concat();
    [
        &[22, 3, 1][..],
        &(message.len() as u16).to_be_bytes(),
        &message,
    ]
    .concat()
}

fn dhcp(host: &str) -> Vec<u8> {
    let mut message = b"\x01\x01\x06\0\x39\x03\xf3\x26\0\0\0\0".to_vec();
    message.resize(236, 0);
    message.extend(b"\x63\x82\x53\x63\x35\x01\x01\x0c");
    message.extend(s8(host));
    message.push(255);
    message
}

fn radius(user: &str) -> Vec<u8> {
    let mut attributes = vec![1, user.len() as u8 + 2];
    attributes.extend(user.as_bytes());
    let length = (20 + attributes.len() as u16).to_be_bytes();
    [&[1, 7][..], &length, &[9; 16], &attributes].concat()
}

fn ldap_bind(name: &str) -> Vec<u8> {
    let bind = [&[2, 1, 3][..], &ber(4, name.as_bytes()), &[0x80, 1, b'x']].concat();
    ber(0x30, &[&[2, 1, 1][..], &ber(0x60, &bind)].concat())
}

fn ldap_search(name: &str) -> Vec<u8> {
    let search = [&ber(4, name.as_bytes())[..], &[10, 1, 2]].concat();
    ber(0x30, &[&[2, 1, 1][..], &ber(0x63, &search)].concat())
}

fn kerberos(name: &str) -> Vec<u8> {
    let fields = [
        b"\xa1\x03\x02\x01\x05\xa2\x03\x02\x01\x0a",
        &ber(0xa4, &ber(0x30, &ber(0x1b, name.as_bytes())))[..],
    ]
    .concat();
    ber(0x6a, &ber(0x30, &fields))
}

fn zookeeper(path: &str) -> Vec<u8> {
    let body = [
        &[0, 0, 0, 5, 0, 0, 0, 4][..],
        &framed(path.as_bytes(), 0),
        &[0],
    ]
    .concat();
    framed(&body, 0)
}

fn memcached(key: &str) -> Vec<u8> {
    let length = (key.len() as u32).to_be_bytes();
    let mut message = vec![0x80, 0, 0, key.len() as u8, 0, 0, 0, 0];
    message.extend(length);
    message.extend([0; 12]);
    message.extend(key.as_bytes());
    message
}

fn http2(path: &str, authority: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04];
    block.extend(s8(path));
    block.push(0x01);
    block.extend(s8(authority));
    let [_, a, b, c] = (block.len() as u32).to_be_bytes();
    let mut message = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    message.extend([a, b, c, 1, 5, 0, 0, 0, 1]);
    message.extend(block);
    message
}

macro_rules! text {
    ($($form:literal),+) => {
        &[$(|token| format!($form, token = token).into_bytes()),+]
    };
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row(Protocol::Http, 80, TCP, text![
        "GET /{token}/x?{token}=1&q={token} HTTP/1.1\r\nHost: example.org\r\n\r\n",
        "GET /reset%2F{token} HTTP/1.1\r\nHost: {token}.example.org\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: {token}\r\nUpgrade: {token}\r\n\r\n",
        "{token} / HTTP/1.1\r\nHost: example.org\r\n\r\nGET /{token} HTTP/1.1\r\n\r\n",
        "GET http://{token}:{token}@{token}/token={token} HTTP/1.1\r\n\r\n"
    ]),
    Row(Protocol::Http2, 80, TCP, &[|token| http2(&format!("/{token}"), token)]),
    Row(Protocol::Redis, 6379, TCP, &[
        |token| [&b"*2\r\n"[..], &resp(&["GET", token])].concat(),
        |token| [&b"*3\r\n"[..], &resp(&["SET", &format!("cache:{token}:x"), "1"])].concat(),
        |token| [&b"*3\r\n"[..], &resp(&["CONFIG", "GET", token])].concat(),
        |token| format!("LPUSH token_{token} {token}\r\n").into_bytes(),
    ]),
    Row(Protocol::Memcached, 11211, TCP, &[memcached, |token| format!("set {token} 0 0 1\r\n").into_bytes()]),
    Row(Protocol::Nats, 4222, TCP, text![
        "PUB {token} 2\r\nhi\r\n", "PUB orders.{token}.x {token} 2\r\nhi\r\n", "SUB reset.{token} 1\r\n",
        "CONNECT {{\"verbose\":false,\"user\":\"{token}\"}}\r\n"
    ]),
    Row(Protocol::Stomp, 61613, TCP, text!["SEND\ndestination:/queue/{token}\n\nx", "CONNECT\nlogin:{token}\n\n"]),
    Row(Protocol::Smtp, 25, TCP, text!["EHLO {token}\r\n", "EHLO {token}.example.org\r\n", "MAIL FROM:<{token}@{token}.org>\r\n"]),
    Row(Protocol::Imap, 143, TCP, text!["a1 SELECT {token}\r\n", "a1 LOGIN {token} {token}\r\n", "a1 SELECT token_{token}\r\n"]),
    Row(Protocol::Pop3, 110, TCP, text!["USER {token}\r\n", "APOP {token} 0123456789abcdef\r\n"]),
    Row(Protocol::Ftp, 21, TCP, text!["USER {token}\r\n", "RETR {token}\r\n", "STOR /upload/{token}/a.txt\r\n"]),
    Row(Protocol::Irc, 6667, TCP, text!["JOIN #{token}\r\n", "USER {token} 0 * :x\r\n", "PRIVMSG #{token} :x\r\n"]),
    Row(Protocol::Sip, 5060, UDP, text!["INVITE sip:{token}@{token} SIP/2.0\r\n", "REGISTER sip:{token} SIP/2.0\r\n"]),
    Row(Protocol::Rtsp, 554, TCP, text!["DESCRIBE rtsp://{token}:{token}@host01/{token} RTSP/1.0\r\n"]),
    Row(Protocol::Syslog, 514, UDP, text![
        "<34>Oct 11 22:14:15 {token} {token}[12]: x", "<34>Oct 11 22:14:15 {token}: x",
        "<34>Oct 11 22:14:15 {token} says x", "<34>1 2003-10-11T22:14:15.003Z {token} {token} - - x"
    ]),
    Row(Protocol::Statsd, 8125, UDP, text!["{token}:1|c", "app.{token}.count:1|c\nb:2|c"]),
    Row(Protocol::Rsync, 873, TCP, text!["{token}\n", "{token} 0123456789abcdefghijkl\n"]),
    Row(Protocol::Git, 9418, TCP, &[|token| {
        let body = format!("git-upload-pack /{token}.git\0host=a\0");
        format!("{:04x}{body}", body.len() + 4).into_bytes()
    }]),
    Row(Protocol::Ssh, 22, TCP, text!["SSH-2.0-{token}\r\n"]),
    Row(Protocol::Tls, 443, TCP, &[
        |token| client_hello(&format!("{token}.example.org"), "h2"), |token| client_hello(token, token),
    ]),
    Row(Protocol::Amqp, 5672, TCP, &[
        |token| amqp(60, 40, &[&[0, 0][..], &s8(token), &s8(&format!("orders.{token}")), &[0]].concat()),
        |token| amqp(10, 40, &[&s8(token)[..], &[0, 0]].concat()),
    ]),
    Row(Protocol::Kafka, 9092, TCP, &[|token| kafka(token, token), |token| kafka("a", &format!("orders.{token}"))]),
    Row(Protocol::Mqtt, 1883, TCP, &[
        |token| mqtt_connect(token, token),
        |token| mqtt_connect("a", &format!("token_{token}")),
        |token| mqtt(0x30, &[&s16(&format!("devices/{token}/x"))[..], b"x"].concat()),
    ]),
    Row(Protocol::Postgresql, 5432, TCP, &[
        |token| pg_startup(token, token), |token| pg_query(&format!("SELECT * FROM {token}")),
        |token| pg_query(&format!("DELETE FROM \"{token}\" WHERE a = '{token}'")),
    ]),
    Row(Protocol::Mysql, 3306, TCP, &[
        |token| mysql(0, &[&b"\x03SELECT * FROM `"[..], token.as_bytes(), b"`"].concat()),
        |token| mysql(0, &[&b"\x02"[..], token.as_bytes()].concat()),
    ]),
    Row(Protocol::Mongodb, 27017, TCP, &[|token| mongodb(token, "shop"), |token| mongodb("a", token)]),
    Row(Protocol::Cassandra, 9042, TCP, &[|token| cql(&format!("SELECT * FROM shop.\"{token}\""))]),
    Row(Protocol::Zookeeper, 2181, TCP, &[|token| zookeeper(&format!("/app/{token}"))]),
    Row(Protocol::Dns, 53, UDP, &[
        |token| dns(&[token, "example", "org"]), |token| dns(&["reset", &format!("token-{token}"), "example", "org"]),
    ]),
    Row(Protocol::Dhcp, 67, UDP, &[dhcp]),
    Row(Protocol::Radius, 1812, UDP, &[radius]),
    Row(Protocol::Ldap, 389, TCP, &[
        ldap_bind, ldap_search, |token| ldap_search(&format!("uid={token},dc=example,dc=org")),
    ]),
    Row(Protocol::Kerberos, 88, UDP, &[kerberos]),
];

/// What is left of a token, be it the beginning.
fn shows(output: &str, token: &str) -> bool {
    (0..=token.len() - 6).any(|at| output.contains(&token[at..at + 6]))
}

#[test]
fn of_a_thousand_tokens_for_each_protocol_none_shows() {
    let mut random = Random(23);
    let mut wrong = Vec::new();
    for Row(protocol, port, transport, plants) in ROWS {
        for number in 0..TOKENS {
            let token = match number % 3 {
                0 => random.of(URL_SAFE, 22),
                1 => random.of(HEX, 32),
                _ => random.of(BASE62, 24),
            };
            let token = String::from_utf8(token).unwrap();
            for (at, plant) in plants.iter().enumerate() {
                let bytes = plant(&token);
                let verdict = classify(&Payload {
                    transport: *transport,
                    ..payload(&bytes, bytes.len(), CLIENT, *port)
                });
                if number == 0 && verdict.protocol != *protocol {
                    wrong.push(format!("{protocol} {at} is not recognised: {verdict:?}"));
                }
                let outputs = [
                    evidence(&verdict),
                    serde_json::to_string(&verdict).unwrap(),
                    format!("{verdict:?}"),
                ];
                if outputs.iter().any(|output| shows(output, &token)) {
                    wrong.push(format!("{protocol} {at} shows {token}: {outputs:?}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(40)].join("\n")
    );
}
