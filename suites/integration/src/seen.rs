//! What a client sees of an answer: what two answers must have in common for nobody to tell them apart.

use std::collections::BTreeMap;

use harness::client::Answer;
use http::header::HeaderName;

/// What differs between any two answers.
const ITS_OWN: [&str; 3] = ["x-request-id", "date", "server-timing"];

/// Status, headers and body of an answer, but for what differs between any two.
pub fn seen(answer: &Answer) -> (u16, BTreeMap<String, String>, String) {
    let names = answer.headers.keys().map(HeaderName::as_str);
    let headers = names.filter(|name| !ITS_OWN.contains(name));
    let headers = headers.map(|name| (name.to_owned(), answer.header(name).to_owned())).collect();
    (answer.status, headers, answer.body.clone())
}
