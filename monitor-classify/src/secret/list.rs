//! The one list of what looks like a secret: prefixes of issued tokens, and names that announce a secret.

use crate::names::CredentialKind;

/// A prefix that an issuer puts in front of its tokens.
pub(super) struct Token {
    pub(super) start: &'static str,
    pub(super) kind: CredentialKind,
    /// Other words begin alike: it is a credential only if what follows looks random.
    pub(super) is_common: bool,
}

const fn token(start: &'static str) -> Token {
    Token {
        start,
        kind: CredentialKind::ApiKey,
        is_common: false,
    }
}

const fn common(start: &'static str) -> Token {
    Token {
        is_common: true,
        ..token(start)
    }
}

const fn aws(start: &'static str) -> Token {
    Token {
        kind: CredentialKind::AwsKey,
        ..token(start)
    }
}

/// Prefixes of tokens. A JSON web token is recognised by its parts: see [`super::credentials`].
pub(super) const TOKENS: &[Token] = &[
    aws("AKIA"),
    aws("ASIA"),
    token("AIza"),
    token("ghp_"),
    token("gho_"),
    token("ghs_"),
    token("ghu_"),
    token("ghr_"),
    token("github_pat_"),
    token("glpat-"),
    token("xoxa-"),
    token("xoxb-"),
    token("xoxe-"),
    token("xoxp-"),
    token("xoxr-"),
    token("xoxs-"),
    token("xapp-"),
    token("sk_live_"),
    token("sk_test_"),
    token("rk_live_"),
    token("rk_test_"),
    token("npm_"),
    token("hvs."),
    token("pypi-"),
    token("dckr_pat_"),
    token("dop_v1_"),
    token("shpat_"),
    common("sk-"),
    common("SG."),
    common("hf_"),
    common("ya29."),
];

/// Beginning of a JSON web token: `{"` in base64.
pub(super) const WEB_TOKEN: &str = "eyJ";

/// A name that announces a secret.
pub(super) struct Name {
    /// In lower case; `_` stands for `-` as well.
    pub(super) text: &'static str,
    /// Announces it also as a part of a longer name.
    pub(super) within: bool,
    /// What follows it in the same part of a name is masked: `token_hunter2`.
    pub(super) masks_rest: bool,
    /// A field of this name in a body is a credential.
    pub(super) is_field: bool,
    /// A header field of this name carries an API key.
    pub(super) is_header: bool,
}

const NAME: Name = Name {
    text: "",
    within: false,
    masks_rest: false,
    is_field: false,
    is_header: false,
};

/// Announces a secret behind it.
const fn name(text: &'static str) -> Name {
    Name { text, ..NAME }
}

/// The same, also in a longer name and within one part.
const fn strong(text: &'static str) -> Name {
    Name {
        within: true,
        masks_rest: true,
        ..name(text)
    }
}

/// Announces a secret behind it, also within one part, but only as a word of its own.
const fn word(text: &'static str) -> Name {
    Name {
        masks_rest: true,
        ..name(text)
    }
}

/// The same as [`strong`], and a field of this name is a credential.
const fn field(text: &'static str) -> Name {
    Name {
        is_field: true,
        ..strong(text)
    }
}

/// The name of a header field with an API key.
const fn header(text: &'static str) -> Name {
    Name {
        is_header: true,
        ..name(text)
    }
}

/// Names that announce a secret.
pub(super) const NAMES: &[Name] = &[
    field("password"),
    field("passwd"),
    field("passphrase"),
    Name {
        is_field: true,
        ..word("pwd")
    },
    field("secret"),
    Name {
        is_header: true,
        ..field("api_key")
    },
    Name {
        is_header: true,
        ..field("apikey")
    },
    field("access_token"),
    field("refresh_token"),
    field("auth_token"),
    field("private_key"),
    field("secret_key"),
    field("secret_access_key"),
    strong("token"),
    strong("credential"),
    word("credentials"),
    strong("session"),
    word("sessionid"),
    word("jsessionid"),
    word("otp"),
    word("jwt"),
    word("bearer"),
    Name {
        within: true,
        ..name("pass")
    },
    name("auth"),
    name("oauth"),
    name("sig"),
    name("signature"),
    name("reset"),
    name("key"),
    name("sess"),
    name("sid"),
    name("invite"),
    name("verify"),
    name("activate"),
    name("code"),
    name("private"),
    name("magic"),
    header("x_api_key"),
    header("x_auth_token"),
    header("x_auth_key"),
    header("x_access_token"),
    header("x_vault_token"),
    header("x_consul_token"),
    header("x_registry_auth"),
    header("x_goog_api_key"),
    header("x_amz_security_token"),
    header("x_functions_key"),
    header("ocp_apim_subscription_key"),
    header("dd_api_key"),
    header("dd_application_key"),
    header("private_token"),
];

/// Words that only describe what stands in front of them: nothing secret follows in `token_count` or `session_store`.
pub(super) const DESCRIPTIONS: &[&str] = &[
    "bucket", "cache", "config", "count", "data", "entry", "expired", "expiry", "hash", "id",
    "ids", "index", "info", "key", "keys", "list", "lock", "manager", "name", "names", "owner",
    "policy", "queue", "reset", "server", "service", "set", "settings", "state", "stats", "store",
    "table", "ttl", "type", "types", "user", "users", "version",
];

/// Whether a name is a known one, in either case, with `-` or `_`.
pub(super) fn is_name(name: &[u8], known: &str) -> bool {
    name.len() == known.len()
        && name.iter().zip(known.bytes()).all(|(byte, known)| {
            byte.to_ascii_lowercase() == known || (known == b'_' && *byte == b'-')
        })
}

/// Whether a word can start here.
pub(super) fn is_bound(part: &[u8], at: usize) -> bool {
    at == 0 || !part[at - 1].is_ascii_alphanumeric()
}
