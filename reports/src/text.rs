//! Words and figures as a person reads them, the same in every report.

use harness::verdict::Verdict;

/// One line, without control characters: what a target says must not steer a terminal or break a table.
pub(crate) fn line(text: &str) -> String {
    let spaced = text.split_whitespace().collect::<Vec<_>>().join(" ");
    spaced.chars().filter(|c| !is_control(*c)).collect()
}

/// Control characters, and the marks that reorder text so that it reads as something else.
pub(crate) fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most so many characters.
pub(crate) fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(most.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

/// `1 finding`, `2 findings`.
pub(crate) fn plural(count: usize, one: &str) -> String {
    match (count, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{} {stem}ies", grouped(count as u64)),
        (_, None) if one.ends_with('s') => format!("{} {one}es", grouped(count as u64)),
        (_, None) => format!("{} {one}s", grouped(count as u64)),
    }
}

/// `12 345`, with a thin space that does not break.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// `0.42 s`, `41.5 s`, `3 min 07 s`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 10.0 {
        format!("{seconds:.2} s")
    } else if seconds < 100.0 {
        format!("{seconds:.1} s")
    } else {
        let minutes = (seconds / 60.0).floor();
        format!("{minutes:.0} min {:02.0} s", (seconds - minutes * 60.0).floor())
    }
}

/// `0.84 ms`, `41.5 ms`, `1 204 ms`: three digits that mean something.
pub(crate) fn millis(ms: f64) -> String {
    if ms < 10.0 {
        format!("{ms:.2} ms")
    } else if ms < 100.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{} ms", grouped_rounded(ms))
    }
}

/// A figure rounded to a whole, grouped.
pub(crate) fn grouped_rounded(value: f64) -> String {
    format!("{value:.0}").parse().map_or_else(|_| format!("{value:.0}"), grouped)
}

/// A verdict's word for people.
pub(crate) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Disabled => "disabled",
        Verdict::Skip => "skipped",
        Verdict::Pass => "passed",
        Verdict::Fail => "failed",
        Verdict::Error => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::{duration, grouped, line, millis, plural};

    #[test]
    fn what_a_target_says_cannot_steer_a_terminal() {
        assert_eq!(line("a\u{1b}[2Jb\r\n\tc\u{202e}d"), "a[2Jb cd");
    }

    #[test]
    fn figures_read_as_a_person_writes_them() {
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(duration(187.9), "3 min 07 s");
        assert_eq!(millis(0.844), "0.84 ms");
        assert_eq!(plural(2, "weakness"), "2 weaknesses");
        assert_eq!(plural(1, "finding"), "1 finding");
    }
}
