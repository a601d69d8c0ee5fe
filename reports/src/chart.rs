//! Small charts of a load run as SVG: throughput, latency, users, and how many answers took how long, over time.
//!
//! Only figures go in, so nothing in them needs escaping; colours are classes of the page's style sheet.

mod heat;

use std::fmt::Write as _;

use harness::record::Tick;

use crate::text::{grouped_rounded, millis};

pub(crate) use heat::heat;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;
/// More points than this are not told apart at the chart's width.
const POINTS: usize = 240;

/// Some seconds of a run taken together.
struct Bucket {
    second: f64,
    rps: f64,
    failures_per_second: f64,
    users: f64,
    under_way: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    empty: bool,
}

/// Requests and failures per second.
pub(crate) fn throughput(series: &[Tick]) -> Option<String> {
    let buckets = buckets(series)?;
    let top = nice(buckets.iter().map(|bucket| bucket.rps).fold(0.0, f64::max));
    let scale = Scale::new(&buckets, top);
    let mut svg = scale.frame("Requests per second over time", grouped_rounded);
    let line = scale.line(&buckets, |bucket| Some(bucket.rps));
    let _ = write!(svg, r#"<path class="c-area" d="{}"/>"#, scale.area(&buckets));
    let _ = write!(svg, r#"<path class="c-line" d="{line}"/>"#);
    if buckets.iter().any(|bucket| bucket.failures_per_second > 0.0) {
        let line = scale.line(&buckets, |bucket| Some(bucket.failures_per_second));
        let _ = write!(svg, r#"<path class="c-bad" d="{line}"/>"#);
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// Median, 95th and 99th percentile.
pub(crate) fn latency(series: &[Tick]) -> Option<String> {
    let buckets = buckets(series)?;
    let highest = |bucket: &Bucket| bucket.p99_ms.max(bucket.p95_ms).max(bucket.p50_ms);
    let top = nice(buckets.iter().map(highest).fold(0.0, f64::max));
    let scale = Scale::new(&buckets, top);
    let mut svg = scale.frame("Median, 95th and 99th percentile over time", |ms| {
        if ms == 0.0 { "0".into() } else { millis(ms) }
    });
    let p99 = scale.line(&buckets, |bucket| (!bucket.empty).then_some(bucket.p99_ms));
    let p95 = scale.line(&buckets, |bucket| (!bucket.empty).then_some(bucket.p95_ms));
    let p50 = scale.line(&buckets, |bucket| (!bucket.empty).then_some(bucket.p50_ms));
    let _ = write!(
        svg,
        r#"<path class="c-third" d="{p99}"/><path class="c-second" d="{p95}"/><path class="c-line" d="{p50}"/></svg>"#
    );
    Some(svg)
}

/// Users, and requests that waited for an answer. `None` where nobody counted them.
pub(crate) fn users(series: &[Tick]) -> Option<String> {
    let buckets = buckets(series)?;
    let highest = buckets.iter().map(|bucket| bucket.users.max(bucket.under_way)).fold(0.0, f64::max);
    if highest <= 0.0 {
        return None;
    }
    let scale = Scale::new(&buckets, nice(highest));
    let mut svg = scale.frame("Users and requests under way over time", grouped_rounded);
    let under_way = scale.line(&buckets, |bucket| Some(bucket.under_way));
    // A second in which nobody finished a request says nothing of who was there.
    let users = scale.line(&buckets, |bucket| (!bucket.empty).then_some(bucket.users));
    let _ =
        write!(svg, r#"<path class="c-second" d="{under_way}"/><path class="c-line" d="{users}"/></svg>"#);
    Some(svg)
}

#[expect(clippy::cast_precision_loss, reason = "seconds and requests stay far below 2^52")]
fn buckets(series: &[Tick]) -> Option<Vec<Bucket>> {
    let mut ticks = series.to_vec();
    ticks.sort_by_key(|tick| tick.second);
    if ticks.len() < 2 {
        return None;
    }
    let buckets = ticks.chunks(ticks.len().div_ceil(POINTS)).map(|chunk| {
        let seconds = chunk.len() as f64;
        let requests: u64 = chunk.iter().map(|tick| tick.requests).sum();
        let failures: u64 = chunk.iter().map(|tick| tick.failures).sum();
        Bucket {
            second: chunk[0].second as f64,
            rps: requests as f64 / seconds,
            failures_per_second: failures as f64 / seconds,
            users: chunk.iter().map(|tick| tick.users).max().unwrap_or_default() as f64,
            under_way: chunk.iter().map(|tick| tick.under_way).max().unwrap_or_default() as f64,
            // The worst second of the bucket: a mean would hide what a percentile is there to show.
            p50_ms: chunk.iter().map(|tick| tick.p50_ms).fold(0.0, f64::max),
            p95_ms: chunk.iter().map(|tick| tick.p95_ms).fold(0.0, f64::max),
            p99_ms: chunk.iter().map(|tick| tick.p99_ms).fold(0.0, f64::max),
            empty: requests == 0,
        }
    });
    Some(buckets.collect())
}

/// The next round figure whose half is one too.
fn nice(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0];
    steps.into_iter().map(|step| step * power).find(|top| *top >= value).unwrap_or(10.0 * power)
}

struct Scale {
    from: f64,
    span: f64,
    top: f64,
}

impl Scale {
    fn new(buckets: &[Bucket], top: f64) -> Scale {
        let from = buckets.first().map_or(0.0, |bucket| bucket.second);
        let to = buckets.last().map_or(1.0, |bucket| bucket.second);
        Scale { from, span: (to - from).max(1.0), top }
    }

    fn x(&self, second: f64) -> f64 {
        LEFT + (second - self.from) / self.span * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value / self.top).clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    /// The opening tag, the grid and the labels.
    fn frame(&self, title: &str, label: fn(f64) -> String) -> String {
        let mut svg = format!(
            r#"<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>"#
        );
        for part in [0.0, 0.5, 1.0] {
            let (y, text) = (self.y(self.top * part), label(self.top * part));
            let (from, to, before) = (LEFT, WIDTH - RIGHT, LEFT - 8.0);
            let _ = write!(
                svg,
                r#"<line class="c-grid" x1="{from}" x2="{to}" y1="{y:.1}" y2="{y:.1}"/><text x="{before}" y="{:.1}" text-anchor="end">{text}</text>"#,
                y + 4.0
            );
        }
        for (part, anchor) in [(0.0, "start"), (0.5, "middle"), (1.0, "end")] {
            let second = self.from + self.span * part;
            let (x, y) = (self.x(second), HEIGHT - 8.0);
            let _ = write!(svg, r#"<text x="{x:.1}" y="{y}" text-anchor="{anchor}">{second:.0} s</text>"#);
        }
        svg
    }

    /// A line through the points there are; where there is none, it is broken.
    fn line(&self, buckets: &[Bucket], value: fn(&Bucket) -> Option<f64>) -> String {
        let mut path = String::new();
        let mut pen = 'M';
        for bucket in buckets {
            if let Some(value) = value(bucket) {
                let _ = write!(path, "{pen}{:.1} {:.1}", self.x(bucket.second), self.y(value));
                pen = 'L';
            } else {
                pen = 'M';
            }
        }
        path
    }

    fn area(&self, buckets: &[Bucket]) -> String {
        let line = self.line(buckets, |bucket| Some(bucket.rps));
        format!("{line}V{:.1}H{LEFT}Z", self.y(0.0))
    }
}

#[cfg(test)]
mod tests {
    use harness::record::Tick;

    use super::users;

    #[test]
    fn users_are_drawn_where_somebody_counted_them() {
        let tick = |second: u64, users: u64, under_way: u64| {
            let (p50_ms, p95_ms, p99_ms) = (1.0, 2.0, 3.0);
            Tick { second, requests: 1, failures: 0, users, under_way, p50_ms, p95_ms, p99_ms }
        };
        let svg = users(&[tick(0, 10, 1), tick(1, 50, 2), tick(2, 50, 1)]).unwrap();
        assert!(svg.contains("c-line") && svg.contains("c-second"), "{svg}");
        assert!(svg.contains(">50<"), "the highest is at the top: {svg}");
        assert_eq!(users(&[tick(0, 0, 0), tick(1, 0, 0)]), None);
    }
}
