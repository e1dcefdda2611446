//! AMQP, Kafka, MQTT: messages as their documentation lays them out.

use super::*;
use CredentialKind::{AmqpAuth, KafkaAuth, MqttPassword};
use Protocol::{Amqp, Kafka, Mqtt};

pub(super) fn cases() -> Vec<Case> {
    [amqp(), kafka(), mqtt()].into_iter().flatten().collect()
}

/// A frame of AMQP 0-9-1 on channel 1.
fn method(class: u8, method: u8, arguments: &[u8]) -> Vec<u8> {
    let length = u32::try_from(arguments.len() + 4).unwrap();
    [
        b"\x01\0\x01",
        &length.to_be_bytes()[..],
        &[0, class, 0, method],
        arguments,
        b"\xce",
    ]
    .concat()
}

/// A frame of AMQP 1.0: type, code of the performative, a list of fields.
fn frame(kind: u8, code: u8, count: u8, fields: &[u8]) -> Vec<u8> {
    let size = u32::try_from(fields.len() + 14).unwrap();
    let list = [
        0,
        0x53,
        code,
        0xc0,
        u8::try_from(fields.len() + 1).unwrap(),
        count,
    ];
    [&size.to_be_bytes()[..], &[2, kind, 0, 0], &list, fields].concat()
}

fn amqp() -> Vec<Case> {
    let to = |bytes: Vec<u8>, text: &str| Case::to(Amqp, 5672, bytes, Certain, text);
    let from = |bytes: Vec<u8>, text: &str| Case::from(Amqp, 5672, bytes, Certain, text);
    let publish = [
        method(60, 40, b"\0\0\x06events\x0borders.paid\0"),
        b"\x02\0\x01\0\0\0\x0e\0\x3c\0\0\0\0\0\0\0\0\0\x06\0\0\xce".to_vec(),
        b"\x03\0\x01\0\0\0\x06s3cr3t\xce".to_vec(),
    ]
    .concat();
    vec![
        to(b"AMQP\0\0\x09\x01".to_vec(), "AMQP 0-9-1 header"),
        to(b"AMQP\x03\x01\0\0".to_vec(), "AMQP 1.0 header with SASL"),
        to(b"AMQP\x02\x01\0\0".to_vec(), "AMQP header for TLS").exposed(Exposure::Unknown),
        from(
            method(
                10,
                10,
                b"\0\x09\0\0\0\0\0\0\0\x0ePLAIN AMQPLAIN\0\0\0\x05en_US",
            ),
            "connection.start",
        ),
        to(
            method(
                10,
                11,
                b"\0\0\0\0\x05PLAIN\0\0\0\x0d\0guest\0s3cr3t\x05en_US",
            ),
            "connection.start-ok PLAIN",
        )
        .with(AmqpAuth),
        to(method(10, 40, b"\x01/\0\0"), "connection.open vhost=/"),
        to(
            method(50, 10, b"\0\0\x06orders\x02\0\0\0\0"),
            "queue.declare orders",
        ),
        to(publish, "basic.publish exchange=events key=orders.paid"),
        from(
            method(
                60,
                60,
                b"\x05ctag1\0\0\0\0\0\0\0\x01\0\x06events\x0borders.paid",
            ),
            "basic.deliver exchange=events key=orders.paid",
        ),
        from(b"\x08\0\0\0\0\0\0\xce".to_vec(), "heartbeat"),
        to(
            frame(1, 0x41, 2, b"\xa3\x05PLAIN\xa0\x0d\0guest\0s3cr3t"),
            "sasl-init PLAIN",
        )
        .with(AmqpAuth),
        from(frame(1, 0x44, 1, b"\x50\0"), "sasl-outcome"),
        to(frame(0, 0x10, 1, b"\xa1\x09container"), "open container"),
        to(frame(0, 0x14, 3, b"\x43\x43\xa0\x01\0"), "transfer"),
    ]
}

fn request(key: u16, version: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 17).unwrap();
    [
        &length.to_be_bytes()[..],
        &key.to_be_bytes(),
        &version.to_be_bytes(),
        b"\0\0\0\x07\0\x07rdkafka",
        body,
    ]
    .concat()
}

fn kafka() -> Vec<Case> {
    let to = |bytes: Vec<u8>, text: &str| Case::to(Kafka, 9092, bytes, Certain, text);
    vec![
        to(request(18, 3, b"\0\x0blibrdkafka\x062.3.0\0"), "ApiVersions v3 client=rdkafka"),
        to(request(3, 4, b"\0\0\0\x01\0\x06orders\0"), "Metadata v4 client=rdkafka topic=orders"),
        to(request(3, 9, b"\0\x02\x07orders\0\0\0\0\0"), "Metadata v9 client=rdkafka topic=orders"),
        to(
            request(0, 7, b"\xff\xff\xff\xff\0\0\x75\x30\0\0\0\x01\0\x06orders\0\0\0\x01\0\0\0\0\0\0\0\x06s3cr3t"),
            "Produce v7 client=rdkafka topic=orders",
        ),
        to(request(36, 1, b"\0\0\0\x0d\0alice\0s3cr3t"), "SaslAuthenticate v1 client=rdkafka").with(KafkaAuth),
        Case::from(Kafka, 9092, b"\0\0\0\x0a\0\0\0\x07\0\0\0\0\0\0".to_vec(), Likely, "response"),
    ]
}

fn mqtt() -> Vec<Case> {
    let to = |bytes: &[u8], confidence, text: &str| Case::to(Mqtt, 1883, bytes, confidence, text);
    let from =
        |bytes: &[u8], confidence, text: &str| Case::from(Mqtt, 1883, bytes, confidence, text);
    vec![
        to(
            b"\x10\x22\0\x04MQTT\x04\xc2\0\x3c\0\x07sensor1\0\x05alice\0\x06s3cr3t",
            Certain,
            "CONNECT client=sensor1 user=alice",
        )
        .with(MqttPassword),
        to(
            b"\x10\x10\0\x06MQIsdp\x03\x02\0\x3c\0\x02ab",
            Certain,
            "CONNECT client=ab",
        ),
        to(
            b"\x10\x14\0\x04MQTT\x05\x02\0\x3c\x05\x11\0\0\0\x0a\0\x02ab",
            Certain,
            "CONNECT client=ab",
        ),
        from(b"\x20\x02\0\0", Likely, "CONNACK"),
        to(
            b"\x82\x10\0\x01\0\x0bfarm/+/temp\0",
            Likely,
            "SUBSCRIBE farm/+/temp",
        ),
        from(b"\x90\x03\0\x01\0", Likely, "SUBACK"),
        to(
            b"\x30\x13\0\x0bfarm/1/temps3cr3t",
            Certain,
            "PUBLISH farm/1/temp",
        ),
        from(
            b"\x32\x12\0\x08password\0\x02s3cr3t",
            Likely,
            "PUBLISH password",
        ),
        to(b"\xc0\0", Likely, "PINGREQ"),
        from(b"\xd0\0", Likely, "PINGRESP"),
        to(b"\xe0\0", Likely, "DISCONNECT"),
    ]
}

#[test]
fn a_filter_of_mqtt_is_not_empty_and_ends_within_its_packet() {
    for packet in [
        &b"\x82\x10\0\x01\0\x0efarm/+/temps"[..],
        b"\x82\x06\0\x01\0\0\0\0",
    ] {
        let verdict = classify(&payload(packet, packet.len(), CLIENT, 1883));
        assert_ne!(verdict.protocol, Mqtt, "{verdict:?}");
    }
}
