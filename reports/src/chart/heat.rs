//! How long answers took over time, all of them: a heat map, the darker the more.

use std::fmt::Write as _;

use harness::record::Heat;

use super::{BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH};
use crate::text::millis;

/// More columns than this are not told apart at the chart's width.
const COLUMNS: usize = 120;

/// The map, by second and band of latency.
pub(crate) fn heat(heat: &Heat) -> Option<String> {
    let columns = columns(heat)?;
    let is_met = |band: usize| columns.iter().any(|column| column.get(band).is_some_and(|count| *count > 0));
    let lowest = (0..=heat.bounds_ms.len()).find(|band| is_met(*band))?;
    let highest = (0..=heat.bounds_ms.len()).rev().find(|band| is_met(*band))?;
    let most = columns.iter().flatten().copied().max().filter(|most| *most > 0)?;
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let (wide, high) = (width / float(columns.len()), height / float(highest - lowest + 1));
    let top = |band: usize| HEIGHT - BOTTOM - high * float(band - lowest + 1);
    let title = "How long answers took, over time";
    let mut svg = format!(
        r#"<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><title>{title}</title>"#
    );
    for (at, column) in columns.iter().enumerate() {
        for band in lowest..=highest {
            let count = column.get(band).copied().unwrap_or_default();
            if count > 0 {
                let _ = write!(
                    svg,
                    r#"<rect class="c-heat" x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" fill-opacity="{:.2}"/>"#,
                    LEFT + wide * float(at),
                    top(band),
                    wide,
                    high,
                    shade(count, most)
                );
            }
        }
    }
    for band in lowest..=highest {
        let label = match heat.bounds_ms.get(band) {
            Some(bound) => millis(*bound),
            None => format!("over {}", millis(heat.bounds_ms.last().copied().unwrap_or_default())),
        };
        let (x, y) = (LEFT - 8.0, top(band) + high / 2.0 + 4.0);
        let _ = write!(svg, r#"<text x="{x}" y="{y:.1}" text-anchor="end">{label}</text>"#);
    }
    let seconds = heat.counts.len();
    for (part, anchor) in [(0, "start"), (1, "middle"), (2, "end")] {
        let (x, y) = (LEFT + width * float(part) / 2.0, HEIGHT - 8.0);
        let _ =
            write!(svg, r#"<text x="{x:.1}" y="{y}" text-anchor="{anchor}">{} s</text>"#, seconds * part / 2);
    }
    svg.push_str("</svg>");
    Some(svg)
}

/// Seconds taken together, as few as fit.
fn columns(heat: &Heat) -> Option<Vec<Vec<u64>>> {
    if heat.counts.len() < 2 {
        return None;
    }
    let sum = |chunk: &[Vec<u64>]| {
        let bands = 0..=heat.bounds_ms.len();
        bands.map(|band| chunk.iter().filter_map(|second| second.get(band)).sum()).collect()
    };
    Some(heat.counts.chunks(heat.counts.len().div_ceil(COLUMNS)).map(sum).collect())
}

/// By the logarithm: a single slow answer must show beside a thousand fast ones.
#[expect(clippy::cast_precision_loss, reason = "counts of a second stay far below 2^52")]
fn shade(count: u64, most: u64) -> f64 {
    0.12 + 0.88 * (count as f64).ln_1p() / (most as f64).ln_1p()
}

#[expect(clippy::cast_precision_loss, reason = "columns and bands are few")]
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use harness::record::Heat;

    use super::heat;

    #[test]
    fn one_slow_answer_shows_beside_a_thousand_fast_ones() {
        let mut counts = vec![vec![1000, 0, 0]; 10];
        counts[4][2] = 1;
        let svg = heat(&Heat { bounds_ms: vec![1.0, 10.0], counts }).unwrap();
        assert_eq!(svg.matches("<rect").count(), 11);
        assert!(svg.contains(">over 10.0 ms<"), "{svg}");
        assert_eq!(heat(&Heat::default()), None);
    }
}
