//! Masks what differs from one run to the next: times, numbers of packets and bytes, ephemeral ports, the kernel.

/// Numbers that mean the same in each run.
const KEPT: &[&str] = &[
    "1", "7", "4096", "4097", "80", "443", "4789", "8472", "6379", "9469", "0", "200",
];

/// Lines in a fixed order, each once: packets and log lines of one moment come in any order.
pub(crate) fn sorted(text: &str) -> String {
    let masked = mask(text);
    let mut lines: Vec<&str> = masked.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// What `check` says of the machine's kernel is left out, of the hook that it has, and of this process.
pub(crate) fn own_kernel(check: &str) -> String {
    let of_kernel = [
        "Linux",
        "kernel",
        "capabilities",
        "program",
        "JIT",
        "ESP",
        "BTF",
        "--hook",
    ];
    check
        .lines()
        .filter(|line| {
            let what = line.get(9..36).unwrap_or(line);
            !of_kernel.iter().any(|name| what.contains(name))
        })
        .map(|line| format!("{line}\n"))
        .collect()
}

/// Text with `#` in place of numbers that differ, without what only some kernels lack.
pub(crate) fn mask(text: &str) -> String {
    text.lines()
        .filter(|line| {
            !line.contains("but not whether ESP replaces it")
                && !line.contains("Limit of this host")
        })
        .map(|line| mask_line(line) + "\n")
        .collect()
}

fn mask_line(line: &str) -> String {
    // The head of a report begins with the name of this machine.
    if let Some((_, rest)) = line.split_once(" s from ") {
        let (_, interface) = rest.split_once(", ").unwrap();
        return mask_line(&format!("NODE, TIME, {interface}"));
    }
    // What a forecast begins with: rates, and the name of this machine.
    if let Some((network, rest)) = line.split_once(" carries ") {
        let (_, cost) = rest.split_once(": ").unwrap();
        return mask_line(&format!("{network} CARRIES RATE on NODE: {cost}"));
    }
    // The programs that list the firewall's rules, as far as they are installed.
    if let Some((before, _)) = line.split_once("read from ") {
        return format!("{before}read from PROGRAMS");
    }
    let words: Vec<&str> = line.split(' ').collect();
    let masked: Vec<String> = (0..words.len())
        .map(|at| {
            let next = words.get(at + 1).copied().unwrap_or_default();
            let is_count = ["packet", "sample", "byte", "kB", "%"]
                .iter()
                .any(|unit| next.starts_with(unit));
            let is_summed = line.starts_with("  plaintext") || line.starts_with("  networks");
            let is_vni = at.checked_sub(1).is_some_and(|at| words[at] == "vni");
            if is_count || is_summed && !is_vni {
                words[at].replace(|c: char| c.is_ascii_digit(), "#")
            } else {
                mask_word(words[at])
            }
        })
        .collect();
    let mut masked = masked.join(" ");
    while masked.contains("##") {
        masked = masked.replace("##", "#");
    }
    // The width of a column is that of its numbers.
    while masked.contains(" #") && masked.trim_start().contains("  #") {
        masked = masked.replace("  #", " #");
    }
    for (one, many) in [
        ("1 packet,", "# packets,"),
        ("1 packet)", "# packets)"),
        ("1 packet ", "# packets "),
        ("1 sample)", "# samples)"),
        ("(tcx)", "(HOOK)"),
        ("(clsact)", "(HOOK)"),
    ] {
        masked = masked.replace(one, many);
    }
    masked
}

/// A word between spaces.
fn mask_word(word: &str) -> String {
    // A time of the log, of a line, of the report.
    let is_time = word.len() >= 8
        && word.starts_with(|c: char| c.is_ascii_digit())
        && (word.contains(':') && word.chars().filter(|c| *c == '.').count() < 2
            || word.matches('-').count() == 2);
    if is_time {
        let end = word.trim_end_matches(|c: char| c.is_ascii_digit() || ":.-TZ".contains(c));
        return format!("TIME{end}");
    }
    let mut out = String::new();
    let mut rest = word;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let end = from
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(from.len());
        let number = from[..end].trim_end_matches('.');
        let is_address = number.matches('.').count() == 3;
        // Part of a name, such as eth0 or app1.
        let is_name = before.ends_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            || (out.ends_with('.') && before == ".");
        let keeps = is_address || is_name || KEPT.contains(&number);
        out.push_str(if keeps { number } else { "#" });
        rest = &from[number.len()..];
    }
    out + rest
}
