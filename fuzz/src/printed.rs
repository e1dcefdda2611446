//! What holds for all that is printed.

/// Lines, without a control character in them.
///
/// # Panics
/// If there is one.
pub(crate) fn lines(out: &[u8]) {
    let text = std::str::from_utf8(out).expect("what is printed is UTF-8");
    let shows = |c: char| c == '\n' || !c.is_control();
    assert!(text.chars().all(shows), "{text:?}");
}

/// The same, and each line is an object in JSON.
///
/// # Panics
/// If one is not.
pub(crate) fn objects(out: &[u8]) {
    lines(out);
    for line in out
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        let object: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(line);
        assert!(object.is_ok(), "{:?}", String::from_utf8_lossy(line));
        assert_eq!((line.first(), line.last()), (Some(&b'{'), Some(&b'}')));
    }
}
