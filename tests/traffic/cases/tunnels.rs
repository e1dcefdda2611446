//! What is encrypted, beside what is not.

use super::{Case, counts};

#[test]
fn one_peer_behind_wireguard_hides_no_other_in_the_clear() {
    let case = Case::read("one-peer-wireguard-one-clear", &[]);
    let hidden: Vec<_> = case
        .samples
        .iter()
        .filter(|sample| sample["outer_dst"] == "192.168.77.3")
        .collect();
    assert_eq!(hidden.len(), 6);
    for sample in hidden {
        assert_eq!(sample["encapsulation"], "wireguard");
        assert_eq!(
            (&sample["protocol"], &sample["exposure"]),
            (&"wireguard".into(), &"encrypted".into())
        );
    }
    let clear: Vec<_> = case.samples.iter().filter(|at| at["vni"] == 4097).collect();
    assert_eq!(clear.len(), 2);
    for sample in clear {
        assert_eq!(
            (&sample["protocol"], &sample["exposure"]),
            (&"http".into(), &"plaintext".into())
        );
        assert_ne!(sample["outer_dst"], "192.168.77.3");
    }
    let hidden = case
        .lines
        .iter()
        .filter(|line| line.contains("> 192.168.77.3  WireGuard  (nothing to read)"));
    assert_eq!(hidden.count(), 6);

    assert_eq!(case.flows().len(), 2);
    let clear = case.flow("vni", 4097);
    assert_eq!(
        (&clear["protocol"], &clear["exposure"]),
        (&"http".into(), &"plaintext".into())
    );
    assert_eq!(counts(clear), [4, 308, 2, 177]);
    let tunnel = case.flow("protocol", "wireguard");
    assert_eq!(tunnel["exposure"], "encrypted");
    assert_eq!(tunnel["dst"], "192.168.77.3");
}
