use proptest::prelude::*;

use super::*;

/// Builds BTF.
#[derive(Default)]
struct Maker {
    types: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
}

impl Maker {
    fn new() -> Maker {
        Maker {
            strings: vec![0],
            ..Maker::default()
        }
    }

    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let at = self.strings.len();
        self.strings.extend(name.bytes().chain([0]));
        u32::try_from(at).unwrap()
    }

    fn kind(&mut self, name: &str, info: u32, size: u32, rest: &[u32]) -> u32 {
        let name = self.name(name);
        for word in [name, info, size].iter().chain(rest) {
            self.types.extend(word.to_ne_bytes());
        }
        self.count += 1;
        self.count
    }

    fn structure(
        &mut self,
        kind: u32,
        name: &str,
        size: u32,
        flag: bool,
        members: &[(&str, u32, u32)],
    ) -> u32 {
        let rest: Vec<u32> = members
            .iter()
            .flat_map(|(name, number, place)| [self.name(name), *number, *place])
            .collect();
        let count = u32::try_from(members.len()).unwrap();
        let info = (kind << 24) | count | (u32::from(flag) << 31);
        self.kind(name, info, size, &rest)
    }

    fn bytes(&self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut out = Vec::new();
        out.extend(MAGIC.to_ne_bytes());
        out.extend([1, 0]);
        for word in [24, 0, types, types, strings] {
            out.extend(u32::to_ne_bytes(word));
        }
        out.extend(&self.types);
        out.extend(&self.strings);
        out
    }
}

/// `struct outer { u32 a; const union { struct { u8 b; array_t c; }; }; struct outer *d; u32 e:4; }` with
/// `typedef u32 array_t[3]`, a function and an enumeration.
fn example() -> Maker {
    let mut made = Maker::new();
    let u32_ = made.kind("u32", INT << 24, 4, &[32]);
    let u8_ = made.kind("u8", INT << 24, 1, &[8]);
    let array = made.kind("", ARRAY << 24, 0, &[u32_, u32_, 3]);
    let typedef = made.kind("array_t", TYPEDEF << 24, array, &[]);
    let inner = made.structure(STRUCT, "", 16, false, &[("b", u8_, 0), ("c", typedef, 32)]);
    let union = made.structure(UNION, "", 16, false, &[("", inner, 0)]);
    let constant = made.kind("", CONST << 24, union, &[]);
    let pointer = made.kind("", PTR << 24, 9, &[]);
    let members = [
        ("a", u32_, 0),
        ("", constant, 64),
        ("d", pointer, 192),
        ("e", u32_, (4 << 24) | 256),
    ];
    let outer = made.structure(STRUCT, "outer", 40, true, &members);
    assert_eq!(outer, 9);
    made.structure(STRUCT, "holder", 48, false, &[("o", outer, 64)]);
    made.kind("work", FUNC << 24, 0, &[]);
    let name = made.name("SECOND");
    made.kind("order", (ENUM << 24) | 1, 4, &[name, 7]);
    made
}

#[test]
fn members_are_found_in_anonymous_structures() {
    let btf = Btf::new(example().bytes()).unwrap();
    let at = |offset, size| Ok(Member { offset, size });
    assert_eq!(btf.member("outer", "a"), at(0, 4));
    assert_eq!(btf.member("outer", "b"), at(8, 1));
    assert_eq!(btf.member("outer", "c"), at(12, 12));
    assert_eq!(btf.member("outer", "d"), at(24, 8));
    assert_eq!(btf.member("holder", "o.c"), at(20, 12));
    assert!(btf.has_function("work") && !btf.has_function("wor"));
    assert_eq!(btf.enumerator("SECOND"), Some(7));
    assert_eq!(btf.enumerator("THIRD"), None);
}

#[test]
fn missing_members_and_bit_fields_are_errors() {
    let mut made = example();
    for (structure, path, said) in [
        ("outer", "e", "no readable member e"),
        ("outer", "x", "no readable member x"),
        ("outer", "a.b", "no readable member a.b"),
        ("oute", "a", "no struct oute"),
    ] {
        let reason = Btf::new(made.bytes()).unwrap().member(structure, path);
        assert!(
            reason.as_ref().is_err_and(|reason| reason.contains(said)),
            "{reason:?}"
        );
    }
    made.structure(STRUCT, "outer", 8, false, &[("a", 1, 32)]);
    let btf = Btf::new(made.bytes()).unwrap();
    assert!(btf.member("outer", "a").unwrap_err().contains("two"));
}

#[test]
fn the_running_kernels_btf_is_read() {
    let btf = Btf::of_kernel().unwrap();
    assert_eq!(btf.member("sk_buff", "data").unwrap().size, 8);
    assert_eq!(btf.member("sk_buff", "cb").unwrap().size, 48);
    assert_eq!(
        btf.member("iphdr", "daddr").unwrap(),
        Member {
            offset: 16,
            size: 4
        }
    );
    assert_eq!(btf.enumerator("BPF_PROG_TYPE_XDP"), Some(6));
    assert!(btf.has_function("netif_receive_skb"));
}

#[test]
fn a_circle_of_types_is_an_error() {
    let mut made = Maker::new();
    made.kind("round", TYPEDEF << 24, 2, &[]);
    made.kind("", CONST << 24, 1, &[]);
    made.structure(STRUCT, "s", 8, false, &[("a", 1, 0), ("", 3, 0)]);
    let btf = Btf::new(made.bytes()).unwrap();
    assert!(btf.member("s", "a").is_err());
    assert!(btf.member("s", "b").is_err());
}

proptest! {
    #[test]
    fn damaged_files_do_not_panic(at in 0usize..2000, byte: u8, cut in 0usize..2000) {
        let mut bytes = example().bytes();
        let len = bytes.len();
        bytes[at % len] = byte;
        bytes.truncate(len - cut % len.min(40));
        if let Ok(btf) = Btf::new(bytes) {
            let _ = btf.member("outer", "c");
            let _ = btf.member("holder", "o.d");
            let _ = btf.enumerator("SECOND");
            let _ = btf.has_function("work");
        }
    }

    #[test]
    fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Btf::new(bytes);
    }
}
