//! Load runs as CSV, for spreadsheets: requests by name, failures by cause, figures by second.

use harness::record::LoadResult;

use crate::report::RunReport;

/// A file's name and its rows, the first of which names the columns.
pub(crate) type Sheet = (&'static str, String);

/// The sheets of a run; none without load.
pub(crate) fn sheets(report: &RunReport) -> Vec<Sheet> {
    let results: Vec<&LoadResult> =
        report.suites.iter().flat_map(|suite| &suite.loads).map(|load| &load.result).collect();
    if results.is_empty() {
        return Vec::new();
    }
    vec![
        ("load_stats.csv", stats(&results)),
        ("load_failures.csv", failures(&results)),
        ("load_history.csv", history(&results)),
    ]
}

/// Requests by name; the row without a name is all of a run.
fn stats(results: &[&LoadResult]) -> String {
    let mut sheet = row(&[
        "profile",
        "target",
        "name",
        "requests",
        "failures",
        "p50_ms",
        "p95_ms",
        "p99_ms",
        "max_ms",
        "requests_per_second",
    ]);
    for result in results {
        let all = ("", result.requests, result.failures, result.latency);
        let named = result.endpoints.iter();
        let named = named.map(|one| (one.name.as_str(), one.requests, one.failures, one.latency));
        for (name, requests, failures, latency) in named.chain([all]) {
            let times = [latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms].map(millis);
            let [p50, p95, p99, max] = &times;
            let (requests_text, failures) = (requests.to_string(), failures.to_string());
            let rate = format!("{:.3}", crate::run_json::ratio(requests, result.seconds));
            sheet += &row(&[
                &result.profile,
                &result.target,
                name,
                &requests_text,
                &failures,
                p50,
                p95,
                p99,
                max,
                &rate,
            ]);
        }
    }
    sheet
}

/// Failures by request name and cause.
fn failures(results: &[&LoadResult]) -> String {
    let mut sheet = row(&["profile", "target", "name", "cause", "count"]);
    for result in results {
        for endpoint in &result.endpoints {
            for (cause, count) in &endpoint.causes {
                sheet += &row(&[&result.profile, &result.target, &endpoint.name, cause, &count.to_string()]);
            }
        }
    }
    sheet
}

/// Figures by second.
fn history(results: &[&LoadResult]) -> String {
    let mut sheet = row(&[
        "profile",
        "target",
        "second",
        "requests",
        "failures",
        "users",
        "under_way",
        "p50_ms",
        "p95_ms",
        "p99_ms",
    ]);
    for result in results {
        for tick in &result.series {
            let counts = [tick.second, tick.requests, tick.failures, tick.users, tick.under_way];
            let counts = counts.map(|count| count.to_string());
            let times = [tick.p50_ms, tick.p95_ms, tick.p99_ms].map(millis);
            let fields = [&result.profile, &result.target].into_iter().chain(&counts).chain(&times);
            sheet += &row(&fields.map(String::as_str).collect::<Vec<_>>());
        }
    }
    sheet
}

fn millis(time: f64) -> String {
    format!("{time:.3}")
}

/// One row as RFC 4180 has it. A field that a spreadsheet would take for a formula is text.
fn row(fields: &[&str]) -> String {
    let field = |field: &&str| {
        let is_formula = field.starts_with(['=', '+', '-', '@']);
        let text = if is_formula { format!("'{field}") } else { (*field).to_owned() };
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    fields.iter().map(field).collect::<Vec<_>>().join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn fields_are_quoted_where_they_must_be_and_no_formulas() {
        assert_eq!(row(&["a", "b,c", "d\"e", ""]), "a,\"b,c\",\"d\"\"e\",\r\n");
        assert_eq!(row(&["=1+1", "@x"]), "'=1+1,'@x\r\n");
    }
}
