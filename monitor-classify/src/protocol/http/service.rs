//! The service behind HTTP, where paths or headers identify it: a hint in the
//! evidence.

/// Paths that belong to one service.
const PATHS: &[(&str, &str)] = &[
    ("/v1/kv/", "Consul"),
    ("/v1/catalog/", "Consul"),
    ("/v1/agent/", "Consul"),
    ("/v1/health/service/", "Consul"),
    ("/v1/session/create", "Consul"),
    ("/v2/keys/", "etcd"),
    ("/v3/kv/", "etcd"),
    ("/v3/auth/", "etcd"),
    ("/v3/watch", "etcd"),
    ("/raft/stream/", "etcd"),
    ("/_cluster/", "Elasticsearch"),
    ("/_cat/", "Elasticsearch"),
    ("/_nodes", "Elasticsearch"),
    ("/_bulk", "Elasticsearch"),
    ("/_msearch", "Elasticsearch"),
    ("/v1/secret/", "Vault"),
    ("/v1/sys/", "Vault"),
];

/// Last parts of a path that belong to one service.
const ENDS: &[(&str, &str)] = &[
    ("/_search", "Elasticsearch"),
    ("/_bulk", "Elasticsearch"),
    ("/_doc", "Elasticsearch"),
    ("/_mapping", "Elasticsearch"),
];

/// Docker's API has its version in front: `/v1.41/containers/json`.
const DOCKER: &[&str] = &[
    "containers/",
    "images/",
    "networks",
    "volumes",
    "services",
    "tasks",
    "nodes",
    "swarm",
    "secrets",
    "configs",
    "exec/",
    "info",
    "version",
    "events",
    "system/",
    "plugins",
];

/// Names of fields that only one service sends.
const FIELDS: &[(&str, &str)] = &[
    ("x-elastic-product", "Elasticsearch"),
    ("x-consul-index", "Consul"),
    ("x-consul-knownleader", "Consul"),
    ("x-consul-token", "Consul"),
    ("x-etcd-cluster-id", "etcd"),
    ("x-etcd-index", "etcd"),
    ("docker-experimental", "Docker"),
    ("x-registry-auth", "Docker"),
    ("x-vault-token", "Vault"),
    ("x-influxdb-version", "InfluxDB"),
    ("x-clickhouse-query-id", "ClickHouse"),
];

/// The service that a path is typical of.
pub(super) fn of_path(target: &[u8]) -> Option<&'static str> {
    let end = target.iter().position(|&byte| byte == b'?');
    let path = &target[..end.unwrap_or(target.len())];
    let start = PATHS
        .iter()
        .find(|(start, _)| path.starts_with(start.as_bytes()));
    let found = start.or_else(|| ENDS.iter().find(|(end, _)| path.ends_with(end.as_bytes())));
    match found {
        Some((_, service)) => Some(service),
        None => is_docker(path).then_some("Docker"),
    }
}

fn is_docker(path: &[u8]) -> bool {
    let Some(rest) = path.strip_prefix(b"/v1.") else {
        return false;
    };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=2).contains(&digits)
        && rest.get(digits) == Some(&b'/')
        && DOCKER
            .iter()
            .any(|part| rest[digits + 1..].starts_with(part.as_bytes()))
}

/// The service that a header field is typical of.
pub(super) fn of_field(name: &str, value: &[u8]) -> Option<&'static str> {
    if name.eq_ignore_ascii_case("server") && value.starts_with(b"Docker/") {
        return Some("Docker");
    }
    FIELDS
        .iter()
        .find(|(known, _)| name.eq_ignore_ascii_case(known))
        .map(|(_, service)| *service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_recognised_by_path_or_field() {
        assert_eq!(of_path(b"/v1.41/containers/json?all=1"), Some("Docker"));
        assert_eq!(of_path(b"/v1.41x/containers/json"), None);
        assert_eq!(of_path(b"/idx/_search?q=a"), Some("Elasticsearch"));
        assert_eq!(of_path(b"/v1/kv/a"), Some("Consul"));
        assert_eq!(of_path(b"/"), None);
        assert_eq!(of_field("X-Etcd-Index", b"1"), Some("etcd"));
    }
}
