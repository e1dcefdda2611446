//! `PostgreSQL`, `MySQL`, `MongoDB`, Cassandra: messages as their documentation lays them out.

use super::*;
use CredentialKind::{CassandraAuth, MongodbAuth, MysqlPassword, PostgresqlPassword, TdsLogin};
use Protocol::{Cassandra, Mongodb, Mysql, Postgresql, Tds};

pub(super) fn cases() -> Vec<Case> {
    [postgresql(), mysql(), mongodb(), cassandra(), tds()]
        .into_iter()
        .flatten()
        .collect()
}

/// A message with its type and length.
fn pg(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn pg_startup(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&length.to_be_bytes()[..], body].concat()
}

fn postgresql() -> Vec<Case> {
    let to = |bytes: Vec<u8>, confidence, text: &str| {
        Case::to(Postgresql, 5432, bytes, confidence, text)
    };
    let from = |bytes: Vec<u8>, confidence, text: &str| {
        Case::from(Postgresql, 5432, bytes, confidence, text)
    };
    let unknown = Exposure::Unknown;
    let logged_in = [
        pg(b'R', b"\0\0\0\0"),
        pg(b'S', b"application_name\0psql\0"),
        pg(b'S', b"server_version\x0015.6\0"),
        pg(b'K', b"\0\0\x12\x34s3cr"),
        pg(b'Z', b"I"),
    ]
    .concat();
    let column = b"\0\x01id\0\0\0\x40\x01\0\x01\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0";
    let result = [
        pg(b'T', column),
        pg(b'D', b"\0\x01\0\0\0\x06s3cr3t"),
        pg(b'C', b"SELECT 1\0"),
        pg(b'Z', b"I"),
    ]
    .concat();
    let extended = [
        pg(b'P', b"\0SELECT name FROM users WHERE id = $1\0\0\0"),
        pg(b'B', b"\0\0\0\0\0\x01\0\0\0\x06s3cr3t\0\0"),
        pg(b'D', b"P\0"),
        pg(b'E', b"\0\0\0\0\0"),
        pg(b'S', b""),
    ]
    .concat();
    let extended_reply = [
        pg(b'1', b""),
        pg(b'2', b""),
        pg(b'n', b""),
        pg(b'C', b"INSERT 0 1\0"),
        pg(b'Z', b"T"),
    ]
    .concat();
    vec![
        to(
            pg_startup(&80_877_103_u32.to_be_bytes()),
            Certain,
            "SSLRequest",
        )
        .exposed(unknown),
        to(
            pg_startup(&80_877_104_u32.to_be_bytes()),
            Certain,
            "GSSENCRequest",
        )
        .exposed(unknown),
        from(b"S".into(), Likely, "answer to a request for encryption").exposed(unknown),
        to(
            pg_startup(b"\x04\xd2\x16\x2e\0\0\x01\0s3cr"),
            Certain,
            "CancelRequest",
        ),
        to(
            pg_startup(b"\0\x03\0\0user\0alice\0database\0shop\0application_name\0psql\0\0"),
            Certain,
            "StartupMessage user=alice database=shop",
        ),
        to(pg(b'p', b"s3cr3t-pass\0"), Certain, "password").with(PostgresqlPassword),
        to(
            pg(b'p', b"md53175bce1d3201d16594cebf9d7eb3f9d\0"),
            Certain,
            "password (MD5)",
        )
        .with(PostgresqlPassword),
        to(
            pg(
                b'p',
                b"SCRAM-SHA-256\0\0\0\0\x20n,,n=,r=fyko+d2lbbFgONRv9qkxdawL",
            ),
            Certain,
            "password (SCRAM-SHA-256)",
        )
        .with(PostgresqlPassword),
        to(
            pg(b'Q', b"SELECT * FROM orders WHERE token = 's3cr3t'\0"),
            Certain,
            "SELECT orders",
        ),
        to(
            pg(b'Q', b"ALTER ROLE bob PASSWORD 's3cr3t'\0"),
            Certain,
            "ALTER bob",
        )
        .with(PostgresqlPassword),
        to(extended, Certain, "Parse SELECT users"),
        to(pg(b'X', b""), Likely, "Terminate"),
        from(
            pg(b'R', b"\0\0\0\x05salt"),
            Certain,
            "AuthenticationMD5Password",
        ),
        from(
            pg(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0"),
            Certain,
            "AuthenticationSASL",
        ),
        from(logged_in, Certain, "ParameterStatus application_name"),
        from(result, Certain, "columns id"),
        from(extended_reply, Certain, "CommandComplete"),
        from(
            pg(
                b'E',
                b"SERROR\0VERROR\0C42P01\0Mrelation \"s3cr3t\" does not exist\0\0",
            ),
            Certain,
            "ErrorResponse 42P01",
        ),
        from(pg(b'Z', b"I"), Certain, "ReadyForQuery"),
        from(
            pg(b'N', b"SNOTICE\0C00000\0Mhello\0\0"),
            Certain,
            "NoticeResponse 00000",
        ),
    ]
}

/// A packet with its length and number.
fn my(sequence: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&length[..3], &[sequence], body].concat()
}

fn mysql() -> Vec<Case> {
    let to =
        |bytes: Vec<u8>, confidence, text: &str| Case::to(Mysql, 3306, bytes, confidence, text);
    let from =
        |bytes: Vec<u8>, confidence, text: &str| Case::from(Mysql, 3306, bytes, confidence, text);
    let greeting = b"\x0a8.0.36\0\x0b\0\0\0abcdefgh\0\xff\xff\xff\x02\0\xff\xdf\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0caching_sha2_password\0";
    let mut login = b"\x8d\xa6\x0f\0\0\0\0\x01\x08".to_vec();
    login.extend([0; 23]);
    login.extend(b"alice\0\x14s3cr3t-s3cr3t-s3cr3tshop\0mysql_native_password\0");
    let mut request = b"\x8d\xae\x0f\0\0\0\0\x01\x08".to_vec();
    request.extend([0; 23]);
    let result = [
        my(1, b"\x01"),
        my(
            2,
            b"\x03def\x04shop\x05users\x05users\x02id\x02id\x0c\x3f\0\x0b\0\0\0\x03\x03\x42\0\0\0",
        ),
        my(3, b"\xfe\0\0\x02\0"),
        my(4, b"\x06s3cr3t"),
        my(5, b"\xfe\0\0\x02\0"),
    ]
    .concat();
    vec![
        from(my(0, greeting), Certain, "greeting 8.0.36"),
        to(my(1, &login), Certain, "log-in user=alice database=shop").with(MysqlPassword),
        to(my(1, &request), Certain, "SSLRequest").exposed(Exposure::Unknown),
        from(my(2, b"\0\0\0\x02\0\0\0"), Likely, "OK"),
        from(
            my(2, b"\xfemysql_native_password\0abcdefghijklmnopqrst\0"),
            Certain,
            "request for another log-in",
        ),
        from(my(2, b"\x01\x03"), Likely, "log-in goes on"),
        from(
            my(
                2,
                b"\xff\x15\x04#28000Access denied for user 's3cr3t'@'localhost'",
            ),
            Certain,
            "error 1045",
        ),
        to(my(3, b"s3cr3t-pass\0"), Likely, "packet"),
        to(
            my(0, b"\x03SELECT * FROM users WHERE name='s3cr3t'"),
            Certain,
            "SELECT users",
        ),
        to(
            my(0, b"\x03\0\x01INSERT INTO carts VALUES ('s3cr3t')"),
            Certain,
            "INSERT carts",
        ),
        to(
            my(0, b"\x03CREATE USER bob IDENTIFIED BY 's3cr3t'"),
            Certain,
            "CREATE bob",
        )
        .with(MysqlPassword),
        to(
            my(0, b"\x16SELECT name FROM users WHERE id = ?"),
            Certain,
            "prepare SELECT users",
        ),
        to(
            my(
                0,
                b"\x17\x01\0\0\0\0\x01\0\0\0\0\x01\x08\0\x2a\0\0\0\0\0\0\0",
            ),
            Certain,
            "COM_STMT_EXECUTE",
        ),
        to(my(0, b"\x02shop"), Likely, "USE shop"),
        to(my(0, b"\x0e"), Likely, "COM_PING"),
        to(my(0, b"\x01"), Likely, "COM_QUIT"),
        from(my(1, b"\0\x01\x02\x02\0\0\0"), Likely, "OK"),
        from(result, Certain, "result set"),
    ]
}

/// A message of `OP_MSG` or another operation.
fn mongo(answered: u32, operation: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 16).unwrap();
    [length, 7, answered, operation]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .chain(body.iter().copied())
        .collect()
}

/// A document of elements that are there already.
fn bson(elements: &[u8]) -> Vec<u8> {
    let length = u32::try_from(elements.len() + 5).unwrap();
    [&length.to_le_bytes()[..], elements, b"\0"].concat()
}

fn op_msg(answered: u32, elements: &[u8]) -> Vec<u8> {
    mongo(
        answered,
        2013,
        &[b"\0\0\0\0\0", &bson(elements)[..]].concat(),
    )
}

fn mongodb() -> Vec<Case> {
    let to = |bytes: Vec<u8>, text: &str| Case::to(Mongodb, 27017, bytes, Certain, text);
    let from = |bytes: Vec<u8>, text: &str| Case::from(Mongodb, 27017, bytes, Certain, text);
    let filter = bson(b"\x02name\0\x07\0\0\0s3cr3t\0");
    let find = [
        b"\x02find\0\x07\0\0\0orders\0\x03filter\0",
        &filter[..],
        b"\x02$db\0\x05\0\0\0shop\0",
    ]
    .concat();
    let sasl = b"\x10saslStart\0\x01\0\0\0\x02mechanism\0\x0e\0\0\0SCRAM-SHA-256\0\x05payload\0\x10\0\0\0\0n,,n=s3cr3t,r=ab\x02$db\0\x06\0\0\0admin\0";
    let query = [
        b"\0\0\0\0admin.$cmd\0\0\0\0\0\xff\xff\xff\xff",
        &bson(b"\x10ismaster\0\x01\0\0\0")[..],
    ]
    .concat();
    let reply = [&[0_u8; 20][..], &bson(b"\x08ismaster\0\x01")].concat();
    vec![
        to(op_msg(0, &find), "find shop.orders"),
        to(
            op_msg(0, b"\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0"),
            "hello admin",
        ),
        to(op_msg(0, sasl), "saslStart admin").with(MongodbAuth),
        from(op_msg(6, b"\x01ok\0\0\0\0\0\0\0\xf0\x3f"), "reply"),
        to(mongo(0, 2004, &query), "ismaster"),
        from(mongo(1, 1, &reply), "OP_REPLY"),
        to(
            mongo(0, 2012, b"\xdd\x07\0\0\x80\0\0\0\x02\x78\x9c\x63\x60\x60"),
            "compressed OP_MSG",
        ),
    ]
}

/// An envelope: version and direction, operation, body.
fn cql(version: u8, operation: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    [
        &[version, 0, 0, 1, operation][..],
        &length.to_be_bytes(),
        body,
    ]
    .concat()
}

fn cassandra() -> Vec<Case> {
    let to =
        |bytes: Vec<u8>, confidence, text: &str| Case::to(Cassandra, 9042, bytes, confidence, text);
    let from = |bytes: Vec<u8>, confidence, text: &str| {
        Case::from(Cassandra, 9042, bytes, confidence, text)
    };
    let select = b"\0\0\0\x32SELECT * FROM system.local WHERE key='local_s3cr3t'\0\x01\0";
    let select = [&u32::to_be_bytes(51)[..], &select[4..]].concat();
    let query = cql(5, 7, &select);
    let mut framed = vec![u8::try_from(query.len()).unwrap(), 0, 2];
    // The checksum as Cassandra's Crc.java computes it, checked against a driver's table of tests below.
    framed.extend(crc24(&framed));
    framed.extend(&query);
    framed.extend([0; 4]);
    vec![
        to(cql(4, 5, b""), Likely, "OPTIONS"),
        to(
            cql(4, 1, b"\0\x01\0\x0bCQL_VERSION\0\x053.0.0"),
            Certain,
            "STARTUP",
        ),
        from(
            cql(
                0x84,
                3,
                b"\0\x2forg.apache.cassandra.auth.PasswordAuthenticator",
            ),
            Certain,
            "AUTHENTICATE",
        ),
        to(
            cql(4, 15, b"\0\0\0\x0d\0alice\0s3cr3t"),
            Certain,
            "AUTH_RESPONSE",
        )
        .with(CassandraAuth),
        from(cql(0x84, 2, b""), Likely, "READY"),
        to(cql(4, 7, &select), Certain, "SELECT system.local"),
        from(cql(0x84, 8, b"\0\0\0\x01"), Certain, "RESULT"),
        to(framed, Certain, "SELECT system.local"),
    ]
}

/// CRC-24 with the polynomial 0x1974f0b from 0x875060 on, by long division.
fn crc24(bytes: &[u8]) -> [u8; 3] {
    let mut crc = 0x0087_5060_u32;
    for bit in bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
    {
        let top = crc >> 23 & 1 != u32::from(bit);
        crc = (crc << 1) & 0x00ff_ffff;
        if top {
            crc ^= 0x0097_4f0b;
        }
    }
    let [a, b, c, _] = crc.to_le_bytes();
    [a, b, c]
}

/// A packet with its header: the last of a message.
fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 8).unwrap();
    [&[kind, 1][..], &length.to_be_bytes(), &[0, 0, 1, 0], body].concat()
}

fn wide(text: &str) -> Vec<u8> {
    text.bytes().flat_map(|byte| [byte, 0]).collect()
}

fn tds() -> Vec<Case> {
    let to = |bytes: Vec<u8>, confidence, text: &str| Case::to(Tds, 1433, bytes, confidence, text);
    let from =
        |bytes: Vec<u8>, confidence, text: &str| Case::from(Tds, 1433, bytes, confidence, text);
    let headers = b"\x16\0\0\0\x12\0\0\0\x02\0\0\0\0\0\0\0\0\0\x01\0\0\0";
    let batch = [
        &headers[..],
        &wide("SELECT * FROM orders WHERE a = 's3cr3t'"),
    ]
    .concat();
    let mut login = 142_u32.to_le_bytes().to_vec();
    login.extend(b"\x04\0\0\x74\0\x10\0\0");
    login.resize(36, 0);
    // Offsets and lengths: host, user, password, application, server, extension, library, language, database.
    for (offset, length) in [
        (94, 0),
        (94, 5),
        (104, 6),
        (116, 0),
        (116, 0),
        (116, 0),
        (116, 0),
        (116, 0),
        (116, 4_u16),
    ] {
        login.extend((offset as u16).to_le_bytes());
        login.extend(length.to_le_bytes());
    }
    login.resize(94, 0);
    login.extend(wide("alice"));
    login.extend(wide("s3cr3t"));
    login.extend(wide("shop"));
    login.resize(142, 0);
    let prelogin = b"\0\0\x0b\0\x06\x01\0\x11\0\x01\xff\x0f\0\0\0\0\0\x02";
    let handshake = b"\x16\x03\x01\0\x40\x01\0\0\x3c\x03\x03";
    vec![
        to(packet(18, prelogin), Likely, "prelogin"),
        from(packet(4, prelogin), Likely, "prelogin"),
        to(packet(18, handshake), Likely, "prelogin with TLS").exposed(Exposure::Unknown),
        to(
            packet(16, &login),
            Certain,
            "log-in user=alice database=shop",
        )
        .with(TdsLogin),
        to(packet(1, &batch), Certain, "SELECT orders"),
        from(
            packet(4, b"\xfd\x10\0\xc1\0\x01\0\0\0\0\0\0\0"),
            Likely,
            "done",
        ),
    ]
}
