//! A value that must not be printed.

use std::fmt;
use std::sync::Arc;

/// A secret. `Debug` shows its length and nothing else; there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into().into())
    }

    /// The value, to be sent and not to be written anywhere.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::exchange::redacted(&self.0))
    }
}
