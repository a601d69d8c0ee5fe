//! What a target answered, and the one way to insist on something about it.

use http::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::contract::Contract;
use crate::exchange::Exchange;

/// So many places are enough for whoever looks for the right one.
const MOST_PLACES: usize = 24;

/// A response, already recorded and found free of leaks.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers, as they came.
    pub headers: HeaderMap,
    /// The body as text; bytes that are no UTF-8 are replaced.
    pub body: String,
    /// The exchange as it was recorded.
    pub exchange: Exchange,
}

/// An answer that is not what had to come: says who asked for what, what was expected, and what came.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct Unexpected {
    text: String,
    status: u16,
}

impl Unexpected {
    /// The status of the answer.
    pub fn status(&self) -> u16 {
        self.status
    }
}

impl Answer {
    /// The answer itself if it has this status.
    pub fn expect(self, status: u16) -> Result<Answer, Unexpected> {
        if self.status == status {
            return Ok(self);
        }
        Err(self.unexpected(&status.to_string(), &self.status.to_string()))
    }

    /// The answer itself if it is a success: one that the contract promises, or any where it promises none.
    pub fn success(self, contract: &Contract) -> Result<Answer, Unexpected> {
        let statuses = contract.get(&self.exchange.operation).map(|operation| &operation.statuses);
        let promised = statuses.into_iter().flatten().copied().filter(|status| (200..300).contains(status));
        let promised: Vec<u16> = promised.collect();
        if promised.contains(&self.status) || (promised.is_empty() && (200..300).contains(&self.status)) {
            return Ok(self);
        }
        let promised: Vec<String> = promised.iter().map(u16::to_string).collect();
        let expected = if promised.is_empty() { "2xx".to_owned() } else { promised.join(" or ") };
        Err(self.unexpected(&expected, &self.status.to_string()))
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// The body as a type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Unexpected> {
        serde_json::from_str(&self.body).map_err(|error| {
            self.unexpected(std::any::type_name::<T>(), &format!("{} and {error}", self.status))
        })
    }

    /// A string of the body by JSON pointer.
    pub fn text_at(&self, pointer: &str) -> Result<String, Unexpected> {
        match self.json().pointer(pointer) {
            Some(Value::String(text)) => Ok(text.clone()),
            // An id may well be a number.
            Some(Value::Number(number)) => Ok(number.to_string()),
            other => Err(self.unexpected(&format!("a string at {pointer}"), &format!("{other:?}"))),
        }
    }

    /// Where in the body a text or a number stands, by JSON pointer, what is nearest to the root first.
    pub fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        let mut level = vec![(String::new(), self.json())];
        while !level.is_empty() && texts.len() < MOST_PLACES {
            let mut next = Vec::new();
            for (at, value) in level {
                match value {
                    Value::String(_) | Value::Number(_) => texts.push(at),
                    Value::Object(members) => {
                        next.extend(members.into_iter().map(|(name, value)| (format!("{at}/{name}"), value)));
                    }
                    // The others are like the first.
                    Value::Array(items) => {
                        next.extend(items.into_iter().take(1).map(|item| (format!("{at}/0"), item)));
                    }
                    Value::Null | Value::Bool(_) => {}
                }
            }
            level = next;
        }
        texts.truncate(MOST_PLACES);
        texts
    }

    /// The items of a list: the body itself, or the first array among its members.
    pub fn items(&self) -> Result<Vec<Value>, Unexpected> {
        match self.json() {
            Value::Array(items) => Ok(items),
            Value::Object(members) => {
                let list = members.into_iter().find_map(|(_, member)| match member {
                    Value::Array(items) => Some(items),
                    _ => None,
                });
                list.ok_or_else(|| self.unexpected("a list", "none"))
            }
            _ => Err(self.unexpected("a list", "none")),
        }
    }

    /// An array of the body by JSON pointer.
    pub fn array_at(&self, pointer: &str) -> Result<Vec<Value>, Unexpected> {
        match self.json().pointer(pointer) {
            Some(Value::Array(items)) => Ok(items.clone()),
            other => Err(self.unexpected(&format!("an array at {pointer}"), &format!("{other:?}"))),
        }
    }

    /// A header's value, empty when it is absent or no text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The error that says what was expected of this answer and what came.
    pub fn unexpected(&self, expected: &str, observed: &str) -> Unexpected {
        let Exchange { operation, principal, method, url, id, .. } = &self.exchange;
        let body: String =
            self.exchange.response_body.as_deref().unwrap_or("nothing").chars().take(400).collect();
        let text = format!(
            "{operation} as {principal}: expected {expected}, got {observed}\n  {method} {url}\n  request {id}, body: {body}"
        );
        Unexpected { text, status: self.status }
    }
}
