//! Figures in the documents, against `docs/benchmarks.json`. `UPDATE_DOCS=1` writes them instead.

use serde_json::Value;

/// A figure of a measured row, as a document has it under this heading; `None` for a heading that is no figure.
fn figure(part: &str, row: &Value, head: &str) -> Option<String> {
    let median = |of: &Value| of["median"].as_f64().unwrap();
    Some(match head {
        "added ns" => format!("{:.0}", median(&row["measured"])),
        "look-ups" => format!("{:.2}", median(&row["look_ups"])),
        "kept" if part == "iperf" => format!("{:.2}", median(&row["measured"])),
        "kept" => format!("{:.2}", median(&row["kept"])),
        "measured" => format!("{:.1}", median(&row["measured"])),
        _ => return None,
    })
}

/// The cells of a row of a table.
fn cells(line: &str) -> Option<Vec<String>> {
    let inner = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(inner.split(" | ").map(str::to_owned).collect())
}

/// A document with the figures of the benchmarks in all tables that begin with a hook, and how many there are.
fn with_figures(text: &str, measured: &Value) -> (String, usize) {
    let (mut out, mut figures) = (String::new(), 0);
    let mut heads: Option<Vec<String>> = None;
    for line in text.lines() {
        let mut cells = cells(line);
        match (&heads, &mut cells) {
            (_, None) => heads = None,
            (None, Some(cells)) => heads = Some(cells.clone()),
            (Some(heads), Some(cells)) if heads[0] == "hook" && !line.starts_with("| ---") => {
                assert_eq!(heads.len(), cells.len(), "{line}");
                let found = fill(heads, cells, measured);
                assert_ne!(found, 0, "not measured: {line}");
                figures += found;
            }
            _ => {}
        }
        out += &cells.map_or_else(
            || line.to_owned(),
            |cells| format!("| {} |", cells.join(" | ")),
        );
        out.push('\n');
    }
    (out, figures)
}

/// Fills in the figures of a row, and returns their number.
fn fill(heads: &[String], cells: &mut [String], measured: &Value) -> usize {
    let mut figures = 0;
    for part in measured["parts"].as_array().unwrap() {
        let name = part["name"].as_str().unwrap();
        for row in part["rows"].as_array().unwrap() {
            let names = ["hook", "case", "features"];
            if names
                .iter()
                .zip(&*cells)
                .any(|(name, cell)| row[name] != **cell)
            {
                continue;
            }
            for (head, cell) in heads.iter().zip(&mut *cells) {
                if let Some(figure) = figure(name, row, head) {
                    *cell = figure;
                    figures += 1;
                }
            }
        }
    }
    figures
}

#[test]
fn figures_are_those_of_the_benchmarks() {
    let measured: Value = serde_json::from_str(&super::document("docs/benchmarks.json")).unwrap();
    let mut compared = 0;
    for document in ["README.md", "docs/costs.md"] {
        let text = super::document(document);
        let (filled, figures) = with_figures(&text, &measured);
        compared += figures;
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(super::root().join(document), filled).unwrap();
            continue;
        }
        for (written, measured) in text.lines().zip(filled.lines()) {
            assert_eq!(
                written, measured,
                "{document}: run the test once with UPDATE_DOCS=1 and commit it"
            );
        }
    }
    assert!(compared > 40, "only {compared} figures were found");
}
