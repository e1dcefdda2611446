//! Numbers as people read them.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A share in percent. More than nothing is never shown as 0 %, less than everything never as 100 %.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    let share = 100.0 * part as f64 / whole as f64;
    if part != 0 && share < 0.1 {
        "<0.1 %".to_owned()
    } else if part < whole && share > 99.9 {
        ">99.9 %".to_owned()
    } else {
        format!("{share:.1} %")
    }
}

/// Bytes, in decimal units.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A number with its thousands grouped.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n != 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun: `1 packet`, `2 packets`.
#[must_use]
pub fn some(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(number))
}

/// A moment in the time zone of this host.
#[must_use]
pub fn moment(time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::system());
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time in its two largest units: `10 min 0 s`.
#[must_use]
pub fn long(time: Duration) -> String {
    let seconds = time.as_secs_f64().round() as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, seconds / 3_600, seconds / 60) {
        (1.., _, _) => format!("{days} d {hours} h"),
        (0, 1.., _) => format!("{hours} h {minutes} min"),
        (0, 0, 1..) => format!("{minutes} min {} s", seconds % 60),
        (0, 0, 0) => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_is_not_nothing_and_almost_is_not_all() {
        for (part, whole, text) in [
            (0, 0, "-"),
            (0, 9, "0.0 %"),
            (1, 1_000_000, "<0.1 %"),
            (1, 3, "33.3 %"),
            (999_999, 1_000_000, ">99.9 %"),
            (u64::MAX, u64::MAX, "100.0 %"),
        ] {
            assert_eq!(percent(part, whole), text);
        }
    }

    #[test]
    fn a_long_time_has_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (600, "10 min 0 s"),
            (7_260, "2 h 1 min"),
            (30 * 86_400 - 1, "29 d 23 h"),
        ] {
            assert_eq!(long(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn numbers_are_short_or_grouped() {
        for (number, short, long) in [
            (0, "0 B", "0"),
            (999, "999 B", "999"),
            (1_000, "1.0 kB", "1,000"),
            (999_960, "1.0 MB", "999,960"),
            (u64::MAX, "18.4 EB", "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(
                (bytes(number), grouped(number)),
                (short.into(), long.into())
            );
        }
        assert_eq!(
            (some(1, "packet"), some(2, "packet")),
            ("1 packet".into(), "2 packets".into())
        );
    }
}
