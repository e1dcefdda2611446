//! The CPU time that encryption takes, as a linear model: so much for each packet, and so much for each byte.
//!
//! It is fitted to the bench by weighted least squares. Each load of the bench is an equation: the packets and the bytes of
//! a datagram, and the CPU time that ESP took above plain VXLAN. A load is weighted by the width of its own interval.
//!
//! The interval of a forecast is one for a further load (a prediction interval): of the loads' own intervals, and of what the loads
//! scatter about the line, by Student's distribution for as many loads as there are. Two loads say nothing of the latter.

/// The narrowest that half an interval of the bench is taken for, as a part of its median: few rounds can agree by chance, and
/// a load differs from the next in more than size.
const LEAST_WIDTH: f64 = 0.1;
/// Standard deviations of an interval of 95 %, where they are known.
const DEVIATIONS: f64 = 1.96;
/// The same where they are estimated with so many degrees of freedom, from 1 on (Student's distribution).
const STUDENT: [f64; 10] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
];

/// A load of the bench.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// Inner packets, and their bytes, of one datagram.
    pub(super) packets: f64,
    pub(super) bytes: f64,
    /// Seconds that its encryption and decryption took; its interval, and the median.
    pub(super) low: f64,
    pub(super) seconds: f64,
    pub(super) high: f64,
}

/// A value with its interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Interval {
    /// Lower end.
    pub(super) low: f64,
    /// The likeliest.
    pub(super) value: f64,
    /// Upper end.
    pub(super) high: f64,
}

impl Interval {
    /// A multiple of it.
    pub(super) fn times(self, factor: f64) -> Interval {
        Interval {
            low: self.low * factor,
            value: self.value * factor,
            high: self.high * factor,
        }
    }
}

/// A fitted model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Model {
    /// Seconds for a packet, and for a byte of it.
    pub(super) packet: f64,
    pub(super) byte: f64,
    /// Variances of both, and their covariance.
    variance: [f64; 3],
    /// Half of the interval of 95 % that the loads' own scatter about the line gives, as a part of the value.
    scatter: f64,
}

impl Model {
    /// Fits the loads; `None` if they cannot tell packets and bytes apart.
    pub(super) fn fit(points: &[Point]) -> Option<Model> {
        // The normal equations of two unknowns.
        let (mut pp, mut pb, mut bb, mut ps, mut bs) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for point in points {
            let weight = point.weight();
            pp += weight * point.packets * point.packets;
            pb += weight * point.packets * point.bytes;
            bb += weight * point.bytes * point.bytes;
            ps += weight * point.packets * point.seconds;
            bs += weight * point.bytes * point.seconds;
        }
        let determinant = pp * bb - pb * pb;
        if points.len() < 2 || determinant.is_nan() || determinant <= 1e-9 * pp * bb {
            return None;
        }
        let mut model = Model {
            packet: (bb * ps - pb * bs) / determinant,
            byte: (pp * bs - pb * ps) / determinant,
            variance: [bb, pp, -pb].map(|of| of / determinant),
            scatter: 0.0,
        };
        let free = points.len() - 2;
        if free > 0 {
            let mean = |of: fn(f64, f64) -> f64, weight: fn(&Point) -> f64| {
                let squares = points.iter().map(|point| {
                    let off = of(point.seconds, model.at(point.packets, point.bytes));
                    weight(point) * off * off
                });
                squares.sum::<f64>() / free as f64
            };
            let widened = mean(|measured, value| measured - value, Point::weight).max(1.0);
            let scatter = mean(|measured, value| measured / value - 1.0, |_| 1.0).sqrt();
            model.variance = model.variance.map(|of| of * widened);
            model.scatter = student(free) * scatter;
        }
        let is_usable = [model.packet, model.byte, model.scatter];
        let is_usable = is_usable.into_iter().chain(model.variance);
        is_usable.into_iter().all(f64::is_finite).then_some(model)
    }

    fn at(&self, packets: f64, bytes: f64) -> f64 {
        self.packet * packets + self.byte * bytes
    }

    /// CPU seconds to encrypt and to decrypt these packets.
    pub(super) fn seconds(&self, packets: f64, bytes: f64) -> Interval {
        let value = self.at(packets, bytes).max(0.0);
        let [packet, byte, both] = self.variance;
        let variance =
            packet * packets * packets + byte * bytes * bytes + 2.0 * both * packets * bytes;
        let scatter = self.scatter * value;
        let off = (DEVIATIONS * DEVIATIONS * variance.max(0.0) + scatter * scatter).sqrt();
        Interval {
            low: (value - off).max(0.0),
            value,
            high: value + off,
        }
    }
}

/// Standard deviations of an interval of 95 %, where they are estimated with so many degrees of freedom.
fn student(free: usize) -> f64 {
    match STUDENT.get(free.saturating_sub(1)) {
        Some(deviations) => *deviations,
        // A little more than the quantile, which falls to that of the normal distribution.
        None => DEVIATIONS + 2.7 / free as f64,
    }
}

impl Point {
    fn weight(&self) -> f64 {
        let half = (self.high - self.low) / 2.0;
        let deviation = half.max(LEAST_WIDTH * self.seconds.abs()) / DEVIATIONS;
        1.0 / (deviation * deviation).max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests;
