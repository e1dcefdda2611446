//! Recorded from redis-cli and redis-server 7.0.15 unless noted otherwise.

use super::*;

const HGETALL: &[u8] = b"*2\r\n$7\r\nHGETALL\r\n$2\r\nip\r\n";
const HGETALL_REPLY: &[u8] = b"*4\r\n$1\r\na\r\n$8\r\n10.0.1.7\r\n$1\r\nb\r\n$8\r\n10.0.1.8\r\n";
pub(super) const HELLO_REPLY: &[u8] = b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:5\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n";
pub(super) const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$10\r\nsession:42\r\n$12\r\ns3cr3t-value\r\n";
const GET_REPLY: &[u8] = b"$12\r\ns3cr3t-value\r\n";
const AUTH: &[u8] = b"*3\r\n$4\r\nAUTH\r\n$5\r\nalice\r\n$11\r\ns3cr3t-pass\r\n";
const CONFIG: &[u8] =
    b"*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$11\r\nrequirepass\r\n$11\r\ns3cr3t-pass\r\n";
const HELLO: &[u8] = b"HELLO 3 AUTH default s3cr3t-pass\r\nPING\r\n";
const PIPELINE: &[u8] = b"*2\r\n$4\r\nAUTH\r\n$11\r\ns3cr3t-pass\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
const PIPELINE_REPLY: &[u8] = b"+OK\r\n+OK\r\n$1\r\nb\r\n";
const WRONGPASS: &[u8] = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n";
const NOAUTH: &[u8] = b"-NOAUTH Authentication required.\r\n";

fn plain(verdict: &Verdict, confidence: Confidence, text: &str) {
    assert_eq!(
        verdict.protocol,
        Protocol::Redis,
        "{verdict:?} for {text:?}"
    );
    assert_eq!(verdict.exposure, Exposure::Plaintext);
    assert_eq!(verdict.confidence, confidence, "{text:?}");
    assert_eq!(evidence(verdict), text);
}

#[test]
fn recorded_messages_are_described() {
    use Confidence::{Certain, Likely};
    plain(&to(6379, HGETALL), Certain, "HGETALL ip");
    plain(&to(1, HGETALL), Certain, "HGETALL ip");
    plain(&from(6379, HGETALL_REPLY), Certain, "array of 4");
    plain(&from(6379, HELLO_REPLY), Certain, "map of 7");
    plain(&to(6379, SET), Certain, "SET session:… …");
    plain(&from(6379, GET_REPLY), Likely, "bulk 12 bytes");
    plain(&to(6379, AUTH), Certain, "AUTH …");
    plain(&to(6379, CONFIG), Certain, "CONFIG SET requirepass …");
    plain(&to(6379, HELLO), Likely, "HELLO 3 AUTH … (+1)");
    plain(&to(6379, PIPELINE), Certain, "AUTH … (+2)");
    plain(&from(6379, PIPELINE_REPLY), Certain, "+OK (+2)");
    plain(&from(6379, WRONGPASS), Likely, "-WRONGPASS");
    plain(&from(1, NOAUTH), Likely, "-NOAUTH");
    plain(&from(6379, b"+OK\r\n"), Likely, "+OK");
    plain(&from(6379, b":1\r\n"), Likely, "integer");
    plain(&from(6379, b"$-1\r\n"), Likely, "nil");
    plain(&to(6379, b"PING\r\n"), Likely, "PING");
}

#[test]
fn credentials_are_named() {
    let auth = [CredentialKind::RedisAuth];
    for message in [AUTH, CONFIG, HELLO, PIPELINE] {
        assert_eq!(to(6379, message).credentials, auth);
    }
    let acl = b"*4\r\n$3\r\nACL\r\n$7\r\nsetuser\r\n$5\r\nalice\r\n$7\r\n>s3cr3t\r\n";
    assert_eq!(to(6379, acl).credentials, auth);
    assert_eq!(evidence(&to(6379, acl)), "ACL SETUSER …");
    assert!(to(6379, SET).credentials.is_empty());
    assert!(from(6379, NOAUTH).credentials.is_empty());
}

#[test]
fn every_truncation_is_right_or_unknown_and_keeps_secrets() {
    let messages = [
        HGETALL,
        HGETALL_REPLY,
        HELLO_REPLY,
        SET,
        GET_REPLY,
        AUTH,
        CONFIG,
        HELLO,
        PIPELINE,
        PIPELINE_REPLY,
        WRONGPASS,
        NOAUTH,
        b"*3\r\n$4\r\nEVAL\r\n$12\r\ns3cr3t-value\r\n$1\r\n0\r\n",
        b"SET session:s3cr3t s3cr3t\r\nset a:token:s3cr3t s3cr3t\r\n",
        b"*4\r\n$7\r\nMIGRATE\r\n$6\r\ns3cr3t\r\n$6\r\ns3cr3t\r\n$6\r\ns3cr3t\r\n",
    ];
    for message in messages {
        at_every_length(6379, message, &["s3cr3t", "alice", "10.0.1"]);
    }
}

#[test]
fn signs_add_up() {
    use Confidence::{Certain, Likely};
    assert_eq!(to(1, b"*2\r\n"), Verdict::unknown());
    assert_eq!(to(6379, b"*2\r").protocol, Protocol::Unknown);
    plain(&to(6379, b"*2\r\n"), Likely, "array of 2");
    plain(&to(1, b"*2\r\n$7\r\n"), Likely, "array of 2");
    plain(&to(1, b"*2\r\n$7\r\nHGETALL\r\n"), Certain, "HGETALL …");
    plain(
        &to(1, b"*2\r\n$7\r\nHGETALL\r\n$2\r\ni"),
        Certain,
        "HGETALL …",
    );
    plain(&from(1, GET_REPLY), Likely, "bulk 12 bytes");
    // A value as long as announced is a sign, and one cut short is text.
    let cut = from(1, &GET_REPLY[..GET_REPLY.len() - 1]);
    assert_eq!(cut.protocol, Protocol::Unknown);
    assert_eq!(cut.exposure, Exposure::Plaintext);
}

#[test]
fn other_text_protocols_are_not_taken_for_it() {
    for other in [
        &b"+OK\r\n"[..],
        b"+OK\r\n+OK\r\n",
        b"-ERR\r\n",
        b"PING\r\n",
        b"PONG\r\n",
        b"QUIT\r\n",
        b"AUTH PLAIN AGFsaWNl\r\n",
        b"get k\r\n",
        b"set k 0 0 1\r\nx\r\n",
        b":1\r\n",
        b"$5\r\n",
        b"wait for it\n",
        b"time flies\n",
    ] {
        assert_ne!(
            to(1, other).protocol,
            Protocol::Redis,
            "{:?}",
            other.escape_ascii().to_string()
        );
    }
    for other in [
        &b"+OK 3 messages\r\n"[..],
        b"* OK IMAP4rev1\r\n",
        b"+OK\r\n1 120\r\n",
        b"-----BEGIN",
        b"INFO {\"server_id\":1}\r\nPUB a 1\r\n",
        b"get a b c\r\nx\r\n",
        b"*2\r\nfoo",
        b"$GPGGA,1",
        b"GET /x HTTP/2.0\r\n",
        b"GET a\x1b[31m\r\n",
    ] {
        let verdict = to(6379, other);
        let by_port = matches!(evidence(&verdict).as_str(), "text" | "JSON");
        assert!(
            verdict.protocol != Protocol::Redis || by_port,
            "{:?}",
            other.escape_ascii().to_string()
        );
    }
}

#[test]
fn a_reply_that_looks_like_a_command_is_a_reply() {
    let list = b"*2\r\n$3\r\nGET\r\n$6\r\ns3cr3t\r\n";
    plain(&from(6379, list), Confidence::Certain, "array of 2");
    let mixed = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nchan\r\n:1\r\n";
    plain(&from(1, mixed), Confidence::Certain, "array of 3");
}

#[test]
fn a_database_for_a_replica_has_no_end() {
    let sync = b"+FULLRESYNC 0123456789012345678901234567890123456789 0\r\n$9\r\nREDIS0010*3\r\n";
    plain(&from(6379, sync), Confidence::Certain, "+FULLRESYNC (+1)");
}

#[test]
fn each_aggregate_of_resp3_has_its_name() {
    for (message, text) in [
        ("*2\r\n+a\r\n+b\r\n", "array of 2"),
        ("%1\r\n+a\r\n+b\r\n", "map of 1"),
        ("~2\r\n+a\r\n+b\r\n", "set of 2"),
        (">2\r\n+a\r\n+b\r\n", "push of 2"),
    ] {
        let verdict = from(6379, message.as_bytes());
        assert_eq!(evidence(&verdict), text);
    }
}
