//! What a target says of its parts: `Server-Timing`.

use std::time::Duration;

use http::header::HeaderMap;

/// How long the parts took that somebody asks about, in that order: `authz;desc="hit";dur=1.203, store;dur=0.004`, in
/// milliseconds.
pub(crate) fn parts_told(headers: &HeaderMap, asked: &[String]) -> Vec<Option<Duration>> {
    let mut told = vec![None; asked.len()];
    if asked.is_empty() {
        return told;
    }
    let lines = headers.get_all("server-timing").iter().filter_map(|value| value.to_str().ok());
    for metric in lines.flat_map(|line| line.split(',')) {
        let mut fields = metric.split(';').map(str::trim);
        let name = fields.next().unwrap_or_default();
        let Some(at) = asked.iter().position(|asked| asked == name) else { continue };
        let millis = fields.find_map(|field| field.strip_prefix("dur=")?.parse::<f64>().ok());
        if let Some(took) = millis.and_then(|millis| Duration::try_from_secs_f64(millis / 1e3).ok()) {
            told[at] = Some(took);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::header::HeaderMap;

    use super::parts_told;

    #[test]
    fn parts_are_told_by_name_with_or_without_a_description() {
        let mut headers = HeaderMap::new();
        headers.append("server-timing", "authz;desc=\"hit\";dur=1.250, store;dur=0.5".parse().unwrap());
        headers.append("server-timing", "handler;dur=2, odd, broken;dur=x".parse().unwrap());
        let asked = ["handler", "authz", "odd", "broken", "absent"].map(str::to_owned);
        let micros = |micros| Some(Duration::from_micros(micros));
        assert_eq!(parts_told(&headers, &asked), [micros(2000), micros(1250), None, None, None]);
    }
}
