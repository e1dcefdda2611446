//! What was measured, in the documents.

use super::watch::root;

/// Replaces the part of a document between `<!-- NAME -->` and `<!-- end of NAME -->`, if `UPDATE_DOCS` is set.
pub fn write_section(document: &str, name: &str, text: &str) {
    println!("{text}");
    if std::env::var_os("UPDATE_DOCS").is_none() {
        return;
    }
    let path = root().join(document);
    let page = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        format!("<!-- {name} -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    std::fs::write(path, format!("{before}{begin}{text}{end}{after}")).unwrap();
}
