//! Words that only a developer should see: source files, stack traces, the store's own errors, credentials.

/// What gives internals away, in lower case. Each is a phrase that no message for users has.
const TELLTALES: [&str; 22] = [
    "panicked at",
    "stack backtrace",
    "traceback (most recent",
    "stacktrace",
    ".rs:",
    ".java:",
    ".go:",
    ".py\", line",
    "node_modules/",
    "at object.<anonymous>",
    "sqlstate",
    "syntax error at or near",
    "pg_catalog",
    "duplicate key value violates",
    "dispatch failure",
    "validationexception",
    "connecterror",
    "connection refused",
    "postgres://",
    "begin private key",
    "aws_secret_access_key",
    "/src/",
];

/// The first thing in an answer that tells of internals.
pub(super) fn internals(body: &str) -> Option<&'static str> {
    let body = body.to_lowercase();
    TELLTALES.into_iter().find(|telltale| body.contains(telltale))
}

#[cfg(test)]
mod tests {
    use super::internals;

    #[test]
    fn a_problem_document_tells_nothing_and_a_stack_trace_does() {
        assert_eq!(internals(r#"{"type":"urn:access:problem:not-found","title":"Not found"}"#), None);
        assert_eq!(internals("thread 'main' panicked at src/x.rs:7"), Some("panicked at"));
        assert_eq!(
            internals(r#"{"detail":"ERROR: syntax error at or near \"'\""}"#),
            Some("syntax error at or near")
        );
    }
}
