//! Metrics as a service tells them, in the text format of Prometheus and `OpenMetrics`.

use std::collections::BTreeMap;

/// What a service has counted at one moment.
#[derive(Clone, Debug)]
pub struct Counted(Vec<Series>);

#[derive(Clone, Debug)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Counted {
    /// Reads the text format.
    pub fn read(text: &str) -> Counted {
        Counted(text.lines().filter_map(Series::read).collect())
    }

    /// The sum over all series of that name that carry these labels; 0 before anything of it was counted.
    pub fn of(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.series(name, labels).map(|series| series.value).sum()
    }

    /// The upper bounds of a histogram's buckets that carry these labels, ascending, each with how many lie below it.
    pub fn buckets(&self, name: &str, labels: &[(&str, &str)]) -> Vec<(f64, f64)> {
        let name = format!("{name}_bucket");
        let bound = |series: &Series| Some((series.labels.get("le")?.parse().ok()?, series.value));
        let mut buckets: Vec<(f64, f64)> = self.series(&name, labels).filter_map(bound).collect();
        buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        buckets
    }

    /// Whether there is any series of that name with these labels.
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.series(name, labels).next().is_some()
    }

    /// The values of a label in the series of that name.
    pub fn values<'s>(&'s self, name: &'s str, label: &'s str) -> Vec<&'s str> {
        self.series(name, &[]).filter_map(|series| series.labels.get(label)).map(String::as_str).collect()
    }

    fn series<'s>(
        &'s self,
        name: &'s str,
        labels: &'s [(&'s str, &'s str)],
    ) -> impl Iterator<Item = &'s Series> {
        let carries = move |series: &Series| {
            labels.iter().all(|(label, value)| series.labels.get(*label).is_some_and(|found| found == value))
        };
        self.0.iter().filter(move |series| series.name == name && carries(series))
    }
}

impl Series {
    /// `name{label="value",...} 7`; nothing for a comment. Values hold no quotes and no commas here.
    fn read(line: &str) -> Option<Series> {
        let (series, value) = line.rsplit_once(' ').filter(|_| !line.starts_with('#'))?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels = labels.trim_end_matches('}').split(',').filter_map(|label| {
            let (label, value) = label.split_once('=')?;
            Some((label.to_owned(), value.trim_matches('"').to_owned()))
        });
        Some(Series { name: name.to_owned(), labels: labels.collect(), value: value.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::Counted;

    #[test]
    fn series_are_found_by_any_of_their_labels() {
        let text = "# HELP a A.\n# TYPE a counter\na_total{x=\"1\",y=\"z\"} 3\na_total{x=\"2\",y=\"z\"} 4\nb 5\n# EOF\n";
        let counted = Counted::read(text);
        let found = [("a_total", &[("y", "z")][..]), ("a_total", &[("x", "2")]), ("b", &[]), ("c", &[])];
        let sums = found.map(|(name, labels)| counted.of(name, labels).to_string());
        assert_eq!(sums, ["7", "4", "5", "0"]);
        assert_eq!(counted.values("a_total", "x"), ["1", "2"]);
        assert!(counted.has("b", &[]) && !counted.has("b", &[("x", "1")]));
    }
}
