//! `docs/protocols.md` names everything that the classifiers can.

use monitor_classify::{CredentialKind, Protocol};

#[test]
fn the_document_has_every_protocol_and_kind_of_credential() {
    let text = super::document("docs/protocols.md");
    let protocols = Protocol::ALL.iter().map(|protocol| protocol.name());
    let credentials = CredentialKind::ALL.iter().map(|kind| kind.name());
    for name in protocols.chain(credentials) {
        assert!(
            text.contains(&format!("`{name}`")),
            "docs/protocols.md lacks {name}"
        );
    }
}
