//! Two answers compared: what is left of them once each request's own marks are made alike.

use std::collections::BTreeMap;

use harness::exchange::Exchange;
use uuid::Uuid;

use crate::arena::Attacked;

/// Headers that belong to one request and not to what it asked about.
const OF_ONE_REQUEST: [&str; 8] = [
    "date",
    "x-request-id",
    "server-timing",
    "traceparent",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "cf-ray",
    "age",
];
const LENGTH: &str = "content-length";

/// The first difference between the answers about two ids.
pub(super) fn difference(foreign: &(Attacked, String), absent: &(Attacked, String)) -> Option<String> {
    let told = |what: &str, foreign: &str, absent: &str| {
        Some(format!("{what} {foreign} for another tenant's, {absent} for nobody's"))
    };
    let (one, other) = (&foreign.0, &absent.0);
    if one.status != other.status {
        return told("status", &one.status.to_string(), &other.status.to_string());
    }
    let (ours, theirs) = (headers(&one.exchange, &foreign.1), headers(&other.exchange, &absent.1));
    let names = ours.keys().chain(theirs.keys());
    if let Some(name) = names.into_iter().find(|name| ours.get(*name) != theirs.get(*name)) {
        let value = |headers: &BTreeMap<String, String>| {
            headers.get(name).map_or_else(|| "absent".to_owned(), |value| format!("'{value}'"))
        };
        // Ids of one length stand in the answers, so its length differs only where something else does.
        return told(&format!("header {name}"), &value(&ours), &value(&theirs));
    }
    let (ours, theirs) = (body(&one.exchange, &foreign.1), body(&other.exchange, &absent.1));
    if ours == theirs {
        return None;
    }
    let at = ours.chars().zip(theirs.chars()).take_while(|(one, other)| one == other).count();
    let around = |text: &str| text.chars().skip(at.saturating_sub(20)).take(80).collect::<String>();
    told("body", &format!("'...{}'", around(&ours)), &format!("'...{}'", around(&theirs)))
}

fn headers(exchange: &Exchange, id: &str) -> BTreeMap<String, String> {
    let named = exchange.response_headers.iter();
    let lasting = named.filter(|(name, _)| !OF_ONE_REQUEST.contains(&name.to_lowercase().as_str()));
    let plain = |(name, value): (&String, &String)| {
        let value = if name == LENGTH { value.clone() } else { alike(value, id) };
        (name.clone(), value)
    };
    lasting.map(plain).collect()
}

fn body(exchange: &Exchange, id: &str) -> String {
    alike(exchange.response_body.as_deref().unwrap_or_default(), id)
}

/// A text with the id that was asked about, and ids of its own, made alike.
fn alike(text: &str, id: &str) -> String {
    let text = text.replace(id, "<id>");
    let words =
        text.split_inclusive(|character: char| !(character.is_ascii_alphanumeric() || character == '-'));
    let plain = words.map(|word| {
        let bare =
            word.trim_end_matches(|character: char| !(character.is_ascii_alphanumeric() || character == '-'));
        if Uuid::parse_str(bare).is_ok() { word.replace(bare, "<id>") } else { word.to_owned() }
    });
    plain.collect()
}

#[cfg(test)]
mod tests {
    use super::alike;

    #[test]
    fn ids_are_made_alike_and_words_are_not() {
        let id = "5f0c0f0e-3f59-4a0a-9a53-5d5c2b1f6a3e";
        let text =
            format!("{{\"detail\":\"no team {id}\",\"trace\":\"9f0c0f0e-3f59-4a0a-9a53-5d5c2b1f6a3e\"}}");
        assert_eq!(alike(&text, id), "{\"detail\":\"no team <id>\",\"trace\":\"<id>\"}");
        assert_ne!(alike("not yours", id), alike("not there", id));
    }
}
