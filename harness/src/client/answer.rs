//! What a target answered, and the one way to insist on something about it.

use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::exchange::Exchange;

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
            other => Err(self.unexpected(&format!("a string at {pointer}"), &format!("{other:?}"))),
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
