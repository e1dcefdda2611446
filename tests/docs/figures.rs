//! Figures in the documents, against `docs/benchmarks.json`.

use serde_json::Value;

/// The rows of all tables that begin with a hook, each with its heading.
fn rows(text: &str) -> Vec<Vec<(String, String)>> {
    let mut found = Vec::new();
    let mut heads: Option<Vec<String>> = None;
    for line in text.lines() {
        let Some(inner) = line
            .strip_prefix("| ")
            .and_then(|line| line.strip_suffix(" |"))
        else {
            heads = None;
            continue;
        };
        let cells: Vec<String> = inner.split(" | ").map(str::to_owned).collect();
        match &heads {
            None => heads = Some(cells),
            Some(_) if line.starts_with("| ---") => {}
            Some(heads) if heads[0] == "hook" => {
                assert_eq!(heads.len(), cells.len(), "{line}");
                found.push(heads.iter().cloned().zip(cells).collect());
            }
            Some(_) => {}
        }
    }
    found
}

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

#[test]
fn figures_are_those_of_the_benchmarks() {
    let measured: Value = serde_json::from_str(&super::document("docs/benchmarks.json")).unwrap();
    let parts = measured["parts"].as_array().unwrap();
    let mut compared = 0;
    for document in ["README.md", "docs/costs.md"] {
        for cells in rows(&super::document(document)) {
            let (hook, case, features) = (&cells[0].1, &cells[1].1, &cells[2].1);
            let mut figures = 0;
            for part in parts {
                let name = part["name"].as_str().unwrap();
                for row in part["rows"].as_array().unwrap() {
                    if row["hook"] != **hook
                        || row["case"] != **case
                        || row["features"] != **features
                    {
                        continue;
                    }
                    for (head, written) in &cells {
                        if let Some(figure) = figure(name, row, head) {
                            assert_eq!(*written, figure, "{document}: {hook}, {case}: {head}");
                            figures += 1;
                        }
                    }
                }
            }
            assert_ne!(
                figures, 0,
                "{document}: not measured: {hook}, {case}, {features}"
            );
            compared += figures;
        }
    }
    assert!(compared > 40, "only {compared} figures were found");
}
