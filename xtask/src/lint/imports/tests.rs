//! Crates with planted faults.

use super::*;

/// A crate in a folder of its own, read.
fn planted(name: &str, files: &[(&str, &str)]) -> Crate {
    let workspace =
        std::env::temp_dir().join(format!("xtask-imports-{name}-{}", std::process::id()));
    for (path, text) in files {
        let path = workspace.join(LAYERED).join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let tree = Crate::read(&workspace, &workspace.join(LAYERED).join("lib.rs"));
    std::fs::remove_dir_all(&workspace).unwrap();
    tree.unwrap()
}

fn clean(name: &str, files: &[(&str, &str)]) {
    let tree = planted(name, files);
    assert_eq!(upward(&tree), [""; 0]);
    assert_eq!(circles(&tree), [""; 0]);
}

#[test]
fn an_arrow_upward_is_found_however_it_is_written() {
    for (index, text) in [
        "use crate::agent::Agent;",
        "use crate::{base, agent::Agent as Other};",
        "fn f() -> crate::agent::Agent { todo!() }",
        "fn f() { crate::agent::start() }",
        "fn f() { println!(\"{}\", crate::agent::NAME) }",
        "pub use crate::agent::Agent;",
        "use super::agent;",
        "mod inner { use super::super::agent::Agent; }",
    ]
    .into_iter()
    .enumerate()
    {
        let tree = planted(
            &format!("upward{index}"),
            &[
                ("lib.rs", "mod agent; mod base; mod traffic;"),
                (
                    "agent/mod.rs",
                    "pub struct Agent; pub fn start() {} pub const NAME: u8 = 0;",
                ),
                ("base/mod.rs", ""),
                ("traffic/mod.rs", text),
            ],
        );
        let found = upward(&tree);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(
            found[0]
                .contains("monitor/src/traffic/mod.rs:1: `traffic` must not import from `agent`")
        );
    }
}

#[test]
fn layers_beside_each_other_do_not_know_each_other() {
    let tree = planted(
        "beside",
        &[
            ("lib.rs", "mod host; mod kernel; mod policy;"),
            ("host/mod.rs", "use crate::kernel::Map;"),
            ("kernel/mod.rs", "pub struct Map;"),
            ("policy/mod.rs", "use crate::{host, kernel::Map};"),
        ],
    );
    let found = upward(&tree);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("`host` must not import from `kernel`"));
}

#[test]
fn a_folder_that_is_no_layer_is_found() {
    let tree = planted("folder", &[("lib.rs", "mod extra;"), ("extra/mod.rs", "")]);
    assert!(upward(&tree)[0].contains("extra/mod.rs: its folder is not one of the layers"));
}

#[test]
fn a_circle_is_found_through_a_re_export() {
    let tree = planted(
        "circle",
        &[
            ("lib.rs", "mod policy;"),
            (
                "policy/mod.rs",
                "mod a; mod b; mod c; pub use a::A; pub use b::B; pub use c::C;",
            ),
            ("policy/a.rs", "use super::B; pub struct A(B);"),
            ("policy/b.rs", "pub struct B; fn f() { vec![super::C] }"),
            ("policy/c.rs", "use crate::policy; pub struct C(policy::A);"),
        ],
    );
    let found = circles(&tree);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("a circle of 3 files"), "{found:?}");
    assert!(
        found[0].contains("policy/a.rs:1 uses monitor/src/policy/b.rs (super::B)"),
        "{found:?}"
    );
}

#[test]
fn a_parent_and_its_child_may_not_use_each_other() {
    let child = ("policy/a.rs", "use super::Limit; pub fn judge(_: Limit) {}");
    let tree = |name, parent| {
        planted(
            name,
            &[("lib.rs", "mod policy;"), ("policy/mod.rs", parent), child],
        )
    };
    for (name, parent) in [
        (
            "path",
            "mod a; pub struct Limit; fn f() { a::judge(Limit) }",
        ),
        (
            "import",
            "mod a; use a::judge; pub struct Limit; fn f() { judge(Limit) }",
        ),
        (
            "exported",
            "mod a; pub use a::judge; pub struct Limit; fn f() { judge(Limit) }",
        ),
        ("glob", "mod a; use a::*; pub struct Limit;"),
    ] {
        assert_eq!(circles(&tree(name, parent)).len(), 1, "{parent}");
    }
    for (name, parent) in [
        ("only-mod", "pub mod a; pub struct Limit;"),
        ("handed-on", "mod a; pub use a::judge; pub struct Limit;"),
        ("all-handed-on", "mod a; pub use a::*; pub struct Limit;"),
    ] {
        assert_eq!(circles(&tree(name, parent)), [""; 0], "{parent}");
    }
}

#[test]
fn tests_and_other_crates_are_exempt() {
    clean(
        "exempt",
        &[
            ("lib.rs", "mod agent; mod traffic;"),
            ("agent/mod.rs", "pub struct Agent(crate::traffic::Flow);"),
            (
                "traffic/mod.rs",
                "use std::agent::Agent; use ::agent::Agent as Other; pub struct Flow; #[cfg(test)] mod tests; \
                 #[cfg(all(test, unix))] use crate::agent::Agent as Third; \
                 #[test] fn t() { crate::agent::start() } \
                 impl Flow { #[cfg(test)] fn f() { crate::agent::start() } }",
            ),
        ],
    );
}

#[test]
fn names_that_mean_something_else_are_no_use() {
    clean(
        "names",
        &[
            ("lib.rs", "mod policy;"),
            (
                "policy/mod.rs",
                "pub mod state; pub struct Limit; fn f(state: u8) -> u8 { state + g(state) } fn g(s: u8) -> u8 { s }",
            ),
            (
                "policy/state.rs",
                "pub struct State(super::Limit); impl State { fn f() { Self::g() } fn g() {} }",
            ),
        ],
    );
}

#[test]
fn inline_modules_belong_to_their_file() {
    let tree = planted(
        "inline",
        &[
            ("lib.rs", "mod policy;"),
            (
                "policy/mod.rs",
                "mod inline { pub mod a; pub fn f() { a::g() } pub fn h() {} }",
            ),
            ("policy/inline/a.rs", "pub fn g() { super::h() }"),
        ],
    );
    assert_eq!(circles(&tree).len(), 1);
}

#[test]
fn a_path_attribute_is_followed() {
    let tree = planted(
        "path-attribute",
        &[
            ("lib.rs", "mod policy;"),
            (
                "policy/mod.rs",
                "#[path = \"../other/x.rs\"] mod a; pub fn f() { a::b::g() }",
            ),
            ("other/x.rs", "pub mod b;"),
            ("other/b.rs", "pub fn g() { super::super::f() }"),
        ],
    );
    assert_eq!(circles(&tree).len(), 1);
}
