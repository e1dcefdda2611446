//! The dashboards as Grafana 9 or later reads them.

mod table;

use serde_json::{Value, json};

use table::{DASHBOARDS, Dashboard, Kind, Panel};

/// Files and their content.
pub(super) fn files() -> Vec<(String, String)> {
    let file = |dashboard: &Dashboard| {
        let path = format!("deploy/grafana/overlay-monitor-{}.json", dashboard.file);
        (path, format!("{:#}\n", json(dashboard)))
    };
    DASHBOARDS.iter().map(file).collect()
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${source}"})
}

fn json(dashboard: &Dashboard) -> Value {
    let mut variables = vec![json!({
        "name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus",
    })];
    variables.extend(dashboard.variables.iter().map(|variable| {
        json!({
            "name": variable.name, "label": variable.name, "type": "query", "datasource": source(),
            "query": {"query": variable.query, "refId": variable.name}, "refresh": 2, "sort": 3,
        })
    }));
    let mut place = Place::default();
    let panels: Vec<Value> = (1..)
        .zip(dashboard.panels)
        .map(|(id, of)| panel(id, of, place.next(of)))
        .collect();
    json!({
        "uid": format!("overlay-monitor-{}", dashboard.file),
        "title": dashboard.title,
        "tags": ["overlay-monitor"],
        "schemaVersion": 37,
        "editable": true,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [{
            "title": "overlay-monitor", "type": "dashboards", "tags": ["overlay-monitor"], "asDropdown": true,
            "includeVars": true, "keepTime": true,
        }],
        "templating": {"list": variables},
        "panels": panels,
    })
}

/// Where the next panel is: from left to right, row by row.
#[derive(Default)]
struct Place {
    x: u32,
    y: u32,
    height: u32,
}

impl Place {
    fn next(&mut self, panel: &Panel) -> Value {
        if self.x + panel.width > 24 {
            (self.x, self.y, self.height) = (0, self.y + self.height, 0);
        }
        let at = json!({"x": self.x, "y": self.y, "w": panel.width, "h": panel.height});
        self.x += panel.width;
        self.height = self.height.max(panel.height);
        at
    }
}

fn panel(id: u32, panel: &Panel, place: Value) -> Value {
    let is_newest = matches!(panel.kind, Kind::Stat | Kind::Table | Kind::Matrix);
    let is_table = matches!(panel.kind, Kind::Table | Kind::Matrix);
    let targets: Vec<Value> = ('A'..)
        .zip(panel.queries)
        .map(|(letter, (expression, legend))| {
            json!({
                "refId": letter.to_string(), "datasource": source(), "expr": expression, "legendFormat": legend,
                "instant": is_newest, "range": !is_newest, "format": if is_table { "table" } else { "time_series" },
            })
        })
        .collect();
    let kind = match panel.kind {
        Kind::Stat => "stat",
        Kind::Time | Kind::Stacked => "timeseries",
        Kind::Table | Kind::Matrix => "table",
    };
    let mut defaults = json!({"unit": panel.unit});
    if panel.kind == Kind::Stacked {
        defaults["custom"] =
            json!({"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}});
    }
    let mut transformations = Vec::new();
    if panel.kind == Kind::Matrix {
        defaults["custom"] = json!({"cellOptions": {"type": "color-background"}});
        defaults["mappings"] = json!([{"type": "value", "options": states()}]);
        transformations.push(json!({
            "id": "groupingToMatrix",
            "options": {"rowField": "instance", "columnField": "vni", "valueField": "state"},
        }));
    }
    json!({
        "id": id, "type": kind, "title": panel.title, "description": panel.what, "gridPos": place, "datasource": source(),
        "targets": targets, "transformations": transformations,
        "fieldConfig": {"defaults": defaults, "overrides": []},
    })
}

/// Colour of each state, beside its name.
fn states() -> Value {
    json!({
        "encrypted": {"color": "green", "index": 0},
        "cleartext": {"color": "red", "index": 1},
        "mixed": {"color": "orange", "index": 2},
        "idle": {"color": "gray", "index": 3},
        "unknown": {"color": "purple", "index": 4},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_panel_covers_another() {
        for dashboard in DASHBOARDS {
            let json = json(dashboard);
            let panels = json["panels"].as_array().unwrap();
            let mut cells = std::collections::BTreeSet::new();
            for panel in panels {
                let of = |name: &str| panel["gridPos"][name].as_u64().unwrap();
                for x in of("x")..of("x") + of("w") {
                    for y in of("y")..of("y") + of("h") {
                        assert!(x < 24 && cells.insert((x, y)), "{}", panel["title"]);
                    }
                }
            }
            assert_eq!(panels.len(), dashboard.panels.len());
        }
    }
}
