//! Docker's rules in the output of `iptables-save`.

use super::rules::{MARK, Rules};
use super::vni_set::VniSet;

/// Adds the rules of all tables.
///
/// # Errors
/// None: a line of another form is a rule that is not Docker's.
pub(super) fn parse(text: &[u8], rules: &mut Rules) -> Result<(), String> {
    let mut table = "";
    for line in String::from_utf8_lossy(text).lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = match name {
                "mangle" => "mangle",
                "filter" => "filter",
                _ => "",
            };
        } else if let Some(rule) = line.strip_prefix("-A ") {
            let words = words(rule);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            match (table, words.first()) {
                ("mangle", Some(&"OUTPUT")) if marks(&words) => {
                    rules.marked.extend(&vnis(&words));
                }
                ("filter", Some(&"INPUT")) if drops_cleartext(&words) => {
                    rules.refused.extend(&vnis(&words));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The words of a rule; quoted text is one word.
fn words(rule: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut escaped, mut begun) = (false, false, false);
    for c in rule.chars() {
        match c {
            _ if escaped => {
                word.push(c);
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => {
                quoted = !quoted;
                begun = true;
            }
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            _ => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// The word after an option.
fn after<'a>(words: &[&'a str], option: &str) -> Option<&'a str> {
    let at = words.iter().position(|word| *word == option)?;
    words.get(at + 1).copied()
}

/// Whether the rule sets all bits of Docker's mark: `--set-xmark 0xd0c4e3/0xffffffff`.
fn marks(words: &[&str]) -> bool {
    let value = after(words, "--set-xmark").or_else(|| after(words, "--set-mark"));
    let (value, mask) =
        match value.map(|value| value.split_once('/').unwrap_or((value, "0xffffffff"))) {
            Some((value, mask)) => (number(value), number(mask)),
            None => return false,
        };
    after(words, "-j") == Some("MARK") && value == Some(MARK) && mask == Some(u32::MAX)
}

/// Whether the rule drops packets that came without IPsec: `-m policy --dir in --pol none -j DROP`.
fn drops_cleartext(words: &[&str]) -> bool {
    after(words, "--pol") == Some("none") && matches!(after(words, "-j"), Some("DROP" | "REJECT"))
}

/// The VNIs that the rule matches; none if it has another match, or a negated one.
fn vnis(words: &[&str]) -> VniSet {
    if words.contains(&"!") {
        return VniSet::default();
    }
    if let Some(expression) = after(words, "--u32") {
        return u32_match(expression).unwrap_or_default();
    }
    let program = after(words, "--bytecode");
    program.and_then(bpf_match).unwrap_or_default()
}

/// A number as iptables prints it: decimal, or hexadecimal with `0x`.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// `0>>22&0x3C@12&0xFFFFFF00=VNI<<8` (`iptables-extensions(8)`): skip the IPv4 header, then 12 bytes of UDP and VXLAN,
/// compare 24 bits. Docker had no `u32` form for IPv6, whose header has 40 bytes.
fn u32_match(expression: &str) -> Option<VniSet> {
    const LOCATION: &[(&str, u32)] = &[
        ("", 0),
        (">>", 22),
        ("&", 0x3c),
        ("@", 12),
        ("&", 0xffff_ff00),
    ];
    let (location, values) = expression.split_once('=')?;
    let mut rest = location;
    for (operator, value) in LOCATION {
        rest = rest.trim_start().strip_prefix(operator)?.trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        if number(digits)? != *value {
            return None;
        }
        rest = after;
    }
    if !rest.trim().is_empty() {
        return None;
    }
    let mut vnis = VniSet::default();
    for part in values.split(',') {
        let (from, to) = part.split_once(':').unwrap_or((part, part));
        let (from, to) = (number(from.trim())?, number(to.trim())?);
        // The bits below the VNI are masked.
        vnis.add(from.div_ceil(256)..=to >> 8);
    }
    Some(vnis)
}

/// `ld poff; tax; ld [x + 4]; rsh #8; jeq #VNI, match; ret #0; match: ret #-1`: classic BPF, as numbers.
fn bpf_match(program: &str) -> Option<VniSet> {
    /// Opcode and operand of each instruction; `None` is any operand (`include/uapi/linux/bpf_common.h`,
    /// `SKF_AD_OFF + SKF_AD_PAY_OFFSET` of `filter.h`).
    const PROGRAM: &[(u32, Option<u32>)] = &[
        (0x20, Some(0xffff_f000 + 52)),
        (0x07, None),
        (0x40, Some(4)),
        (0x74, Some(8)),
        (0x15, None),
        (0x06, Some(0)),
        (0x06, Some(u32::MAX)),
    ];
    let mut parts = program.split(',');
    if number(parts.next()?.trim())? as usize != PROGRAM.len() {
        return None;
    }
    let mut vni = None;
    for (opcode, operand) in PROGRAM {
        let mut fields = parts.next()?.split_ascii_whitespace().map(number);
        let mut field = || fields.next().flatten();
        let (code, taken, missed, k) = (field()?, field()?, field()?, field()?);
        if code != *opcode || operand.is_some_and(|operand| operand != k) {
            return None;
        }
        if *opcode == 0x15 {
            if (taken, missed) != (1, 0) {
                return None;
            }
            vni = Some(k);
        }
    }
    let mut vnis = VniSet::default();
    let vni = vni?;
    vnis.add(vni..=vni);
    parts.next().is_none().then_some(vnis)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vni_set::of;
    use super::*;

    fn rules(text: &str) -> Rules {
        let mut rules = Rules::default();
        parse(text.as_bytes(), &mut rules).unwrap();
        rules
    }

    /// Printed by iptables-save 1.8.9 for the rules that Docker 20.10 and 25 make.
    const SAVED: &str = r#"*mangle
:OUTPUT ACCEPT [0:0]
-A OUTPUT -p udp -m udp --dport 4789 -m u32 --u32 "0x0>>0x16&0x3c@0xc&0xffffff00=0x100000" -j MARK --set-xmark 0xd0c4e3/0xffffffff
-A OUTPUT -p udp -m udp --dport 4789 -m bpf --bytecode "7,32 0 0 4294963252,7 0 0 0,64 0 0 4,116 0 0 8,21 1 0 4097,6 0 0 0,6 0 0 4294967295" -j MARK --set-xmark 0xd0c4e3/0xffffffff
COMMIT
*filter
:INPUT ACCEPT [0:0]
-A INPUT -p udp -m policy --dir in --pol ipsec -m udp --dport 4789 -m u32 --u32 "0x0>>0x16&0x3c@0xc&0xffffff00=0x100000" -j ACCEPT
-A INPUT -p udp -m policy --dir in --pol none -m udp --dport 4789 -m u32 --u32 "0x0>>0x16&0x3c@0xc&0xffffff00=0x100000" -j DROP
-A INPUT -p udp -m policy --dir in --pol none -m udp --dport 4789 -m bpf --bytecode "7,32 0 0 4294963252,7 0 0 0,64 0 0 4,116 0 0 8,21 1 0 4098,6 0 0 0,6 0 0 4294967295" -j DROP
COMMIT
"#;

    #[test]
    fn both_forms_of_dockers_rules_are_parsed() {
        let found = rules(SAVED);
        assert_eq!(found.marked, of(&[4096, 4097]));
        assert_eq!(found.refused, of(&[4096, 4098]));
    }

    #[test]
    fn similar_rules_are_ignored() {
        for (from, to) in [
            // Another table, chain, mark, mask, offset, or a negation.
            ("*mangle", "*nat"),
            ("-A OUTPUT", "-A POSTROUTING"),
            ("0xd0c4e3/", "0xd0c4e4/"),
            ("0xd0c4e3/0xffffffff", "0xd0c4e3/0xffff"),
            ("0xc&", "0x10&"),
            ("-m u32 --u32", "-m u32 ! --u32"),
            ("-j MARK", "-j CONNMARK"),
            ("0x3c@", "0x3c@0x4@"),
        ] {
            let found = rules(&SAVED.replace(from, to));
            assert!(!found.marked.has(4096), "{to}");
        }
        for (from, to) in [
            ("4294963252", "4294963253"),
            ("21 1 0 4097", "21 0 1 4097"),
            ("21 1 0 4097", "21 1 0 16777216"),
            ("7,32", "8,32"),
            ("6 0 0 4294967295\"", "6 0 0 4294967295,6 0 0 0\""),
        ] {
            let found = rules(&SAVED.replace(from, to));
            assert!(!found.marked.has(4097), "{to}");
        }
        assert!(
            rules(&SAVED.replace("--pol none", "--pol ipsec"))
                .refused
                .is_empty()
        );
        assert!(
            rules(&SAVED.replace("-j DROP", "-j LOG"))
                .refused
                .is_empty()
        );
    }

    #[test]
    fn ranges_of_vnis_are_parsed() {
        let found = u32_match("0>>22&0x3C@12&0xFFFFFF00=0x100000:0x1002FF,0x200000").unwrap();
        let has: Vec<u32> = [4095, 4096, 4098, 4099, 8192]
            .into_iter()
            .filter(|vni| found.has(*vni))
            .collect();
        assert_eq!(has, [4096, 4098, 8192]);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text: String, at in 0..SAVED.len(), byte: u8) {
            rules(&text);
            rules(&format!("*mangle\n-A OUTPUT -m u32 --u32 \"{text}\" -j MARK --set-xmark 0xd0c4e3"));
            rules(&format!("*mangle\n-A OUTPUT --bytecode \"{text}\" -j MARK --set-xmark 0xd0c4e3"));
            let mut damaged = SAVED.as_bytes().to_vec();
            damaged[at] = byte;
            parse(&damaged, &mut Rules::default()).unwrap();
        }
    }
}
