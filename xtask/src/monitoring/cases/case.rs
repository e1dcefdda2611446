//! A case: series, and what they fire when.

/// Series, and which alerts they fire when.
pub(in crate::monitoring) struct Case {
    pub(in crate::monitoring) name: &'static str,
    /// Between two values of a series.
    pub(in crate::monitoring) interval: &'static str,
    /// Series and values, in promtool's notation. `JOB` stands for the labels of a scrape of node n1.
    pub(in crate::monitoring) series: &'static [(&'static str, &'static str)],
    pub(in crate::monitoring) checks: &'static [Check],
}

/// What is firing at one moment.
pub(in crate::monitoring) struct Check {
    pub(in crate::monitoring) at: &'static str,
    pub(in crate::monitoring) alert: &'static str,
    /// Labels without severity and job, and the summary.
    pub(in crate::monitoring) fires: &'static [(&'static str, &'static str)],
}

/// Nothing of this alert is firing.
pub(in crate::monitoring) const fn none(at: &'static str, alert: &'static str) -> Check {
    Check {
        at,
        alert,
        fires: &[],
    }
}

/// These are firing, and no other of this alert.
pub(in crate::monitoring) const fn fires(
    at: &'static str,
    alert: &'static str,
    fires: &'static [(&'static str, &'static str)],
) -> Check {
    Check { at, alert, fires }
}

/// A network that must be encrypted.
pub(in crate::monitoring) const REQUIRED: (&str, &str) = (
    r#"overlay_network_info{JOB,vni="4096",network="app1",source="config",required="required",kind="overlay"}"#,
    "1x400",
);
