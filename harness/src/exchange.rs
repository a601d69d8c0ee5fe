//! One request and its response as the run remembers them, with secrets taken out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bodies are kept up to this many bytes; a longer one is cut and says so.
pub const BODY_LIMIT: usize = 16 * 1024;
/// Headers of a request are kept up to this many bytes.
pub(crate) const HEADER_LIMIT: usize = 1024;

/// A recorded request and response. Nothing secret is in it: it is redacted before it is built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// `X-Request-ID` of the request: the run's id and a counter. Unique within a run.
    pub id: String,
    /// The operation's name in the contract.
    pub operation: String,
    /// Who sent it: the persona's label, `anonymous` without a token.
    pub principal: String,
    /// Why it was sent: the class of the check, see [`Class`].
    pub class: Class,
    /// The HTTP method.
    pub method: String,
    /// The URL as sent, invitation tokens in it redacted.
    pub url: String,
    /// Request headers; credentials are replaced by a description of what they were.
    pub request_headers: BTreeMap<String, String>,
    /// Request body as text, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_body: Option<String>,
    /// Response status; absent when no response came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Response headers, redacted.
    #[serde(default)]
    pub response_headers: BTreeMap<String, String>,
    /// Response body as text, redacted and cut to [`BODY_LIMIT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_body: Option<String>,
    /// Why no response came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// From sending to the last byte of the response, milliseconds.
    pub millis: f64,
}

/// Why a request was sent. The denominator of coverage is operation x principal x class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A user's ordinary request: flows, set-up, load.
    Use,
    /// The rightful caller's request, sent so that a denial of the same operation means something.
    Control,
    /// Role x operation matrix.
    Matrix,
    /// What a role may do, done to somebody of a higher one.
    Rank,
    /// Slots swapped for another tenant's values.
    Hop,
    /// A forged, broken or missing token.
    Token,
    /// What is on record of a request, and what must not be.
    Audit,
    /// A right that was taken away, is held elsewhere, or was somebody else's a moment ago.
    Standing,
    /// An invitation that is not the caller's, or not good any more.
    Invitation,
    /// A feature that the plan does not have.
    Feature,
    /// The same request many times at once.
    Race,
    /// A token while the issuer's keys change, fail or lie.
    Jwks,
    /// What is foreign against what is absent: the answers must not differ.
    Oracle,
    /// A list's cursor forged, edited, or used where it was not given out.
    Cursor,
    /// Members of a body that are not the caller's to write, and members of an answer that are nobody's to read.
    Property,
    /// The operation by another way: other verbs, other paths, headers that say what the request is.
    Function,
    /// More than there should be room for: pages, bodies, nesting, headers, tries.
    Limit,
    /// Media types, origins and headers that browsers go by, and errors that tell of internals.
    Content,
    /// Names and texts that mean something to a store or an interpreter.
    Injection,
    /// What one tenant reads while another writes.
    Interference,
    /// What is answered while the target's store is away.
    Outage,
    /// Removing what the run made.
    Cleanup,
}

impl Class {
    /// The name as records spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Use => "use",
            Class::Control => "control",
            Class::Matrix => "matrix",
            Class::Rank => "rank",
            Class::Hop => "hop",
            Class::Token => "token",
            Class::Audit => "audit",
            Class::Standing => "standing",
            Class::Invitation => "invitation",
            Class::Feature => "feature",
            Class::Race => "race",
            Class::Jwks => "jwks",
            Class::Oracle => "oracle",
            Class::Cursor => "cursor",
            Class::Property => "property",
            Class::Function => "function",
            Class::Limit => "limit",
            Class::Content => "content",
            Class::Injection => "injection",
            Class::Interference => "interference",
            Class::Outage => "outage",
            Class::Cleanup => "cleanup",
        }
    }

    /// The class of a name.
    pub fn of_word(word: &str) -> Option<Class> {
        serde_json::from_value(Value::from(word)).ok()
    }

    /// Whether such a request is an attack: it needs the target's consent, and coverage counts it.
    pub fn is_attack(self) -> bool {
        !matches!(self, Class::Use | Class::Control | Class::Cleanup)
    }
}

/// Headers whose value is a credential wherever it appears.
const SECRET_HEADERS: [&str; 5] =
    ["authorization", "cookie", "set-cookie", "x-api-key", "proxy-authorization"];

/// Members of a JSON body whose name ends so are secret whatever they hold. Compared without case, `_`, `-`.
const SECRET_MEMBERS: [&str; 5] = ["token", "password", "secret", "apikey", "privatekey"];

/// `true` when a header's value must not be recorded.
pub fn is_secret_header(name: &str) -> bool {
    SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// What stands in a record for a secret: its length, so that a truncated token is still told from a whole.
pub fn redacted(secret: &str) -> String {
    format!("{REDACTED}{}{REDACTED_END}", secret.len())
}

const REDACTED: &str = "[redacted, ";
const REDACTED_END: &str = " bytes]";

/// Takes the secrets out of a body: the named members of JSON, and every string in `secrets` anywhere.
pub fn redact_body(body: &str, secrets: &[String]) -> String {
    let text = match serde_json::from_str::<Value>(body) {
        Ok(mut value) => {
            redact_value(&mut value);
            value.to_string()
        }
        Err(_) => body.to_owned(),
    };
    cut(redact_text(&text, secrets), BODY_LIMIT)
}

/// Replaces every occurrence of every secret in a text.
pub fn redact_text(text: &str, secrets: &[String]) -> String {
    secrets
        .iter()
        .filter(|secret| secret.len() >= 8)
        .fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), &redacted(secret)))
}

fn redact_value(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
                let plain = plain.to_ascii_lowercase();
                if SECRET_MEMBERS.iter().any(|secret| plain.ends_with(secret))
                    && let Value::String(secret) = member
                {
                    *member = Value::String(redacted(secret));
                } else {
                    redact_value(member);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact_value),
        _ => {}
    }
}

/// A text of at most so many bytes; what was cut off is told.
pub(crate) fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let whole = text.len();
        let end = (0..=limit).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(&format!("... [cut, {whole} bytes in all]"));
    }
    text
}

/// The request as a curl command line. What was redacted is a shell variable: a credential has its header's name
/// (`$AUTHORIZATION`) and is to be set to the header's whole value, anything else is `$SECRET`.
pub fn curl(exchange: &Exchange) -> String {
    let mut line = format!("curl -i -X {} {}", exchange.method, quote(&exchange.url));
    for (name, value) in &exchange.request_headers {
        if is_secret_header(name) || value.starts_with(REDACTED) {
            // What was redacted is described, not sent: a forged token would pass for a rightful one here.
            line.push_str(&format!(" \\\n  -H {}\"${}\"", quote(&format!("{name}: ")), shell_variable(name)));
        } else if !matches!(name.as_str(), "content-length" | "host" | "accept-encoding") {
            line.push_str(&format!(" \\\n  -H {}", quote(&format!("{name}: {value}"))));
        }
    }
    if let Some(body) = &exchange.request_body {
        line.push_str(&format!(" \\\n  --data-raw {}", quote(body)));
    }
    line
}

/// `authorization` becomes `AUTHORIZATION`: the reader sets it to the whole header value.
fn shell_variable(header: &str) -> String {
    header.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_")
}

/// Single quotes for a POSIX shell, with `$SECRET` outside of them in the place of what was redacted: the target
/// controls parts of what is quoted here.
fn quote(text: &str) -> String {
    let mut pieces = text.split(REDACTED);
    let mut quoted = escaped(pieces.next().unwrap_or_default());
    for piece in pieces {
        match piece.split_once(REDACTED_END) {
            Some((length, rest)) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
                quoted.push_str(r#"'"$SECRET"'"#);
                quoted.push_str(&escaped(rest));
            }
            _ => quoted.extend([REDACTED, &escaped(piece)]),
        }
    }
    format!("'{quoted}'")
}

fn escaped(text: &str) -> String {
    text.replace('\'', r"'\''")
}

#[cfg(test)]
mod tests {
    use super::{BODY_LIMIT, quote, redact_body, redacted};

    #[test]
    fn named_members_are_redacted_at_any_depth() {
        let out = redact_body(r#"{"a":[{"access_token":"abcdefghijk"}],"name":"kept"}"#, &[]);
        assert!(!out.contains("abcdefghijk"), "{out}");
        assert!(out.contains("kept"), "{out}");
    }

    #[test]
    fn a_known_secret_is_redacted_wherever_it_stands() {
        let out = redact_body("plain text with s3cr3t-token in it", &["s3cr3t-token".into()]);
        assert_eq!(out, "plain text with [redacted, 12 bytes] in it");
    }

    #[test]
    fn a_long_body_is_cut_at_a_character() {
        let out = redact_body(&"é".repeat(BODY_LIMIT), &[]);
        assert!(out.ends_with("bytes in all]"), "{}", &out[out.len() - 40..]);
    }

    #[test]
    fn what_the_target_sends_cannot_leave_the_quotes() {
        assert_eq!(quote("a'; rm -rf /;'"), r"'a'\''; rm -rf /;'\'''");
        assert_eq!(quote("[redacted, '$(x)' bytes]"), r"'[redacted, '\''$(x)'\'' bytes]'");
    }

    #[test]
    fn what_was_redacted_is_a_variable_to_be_set() {
        let path = format!("/invitations/{}/accept", redacted("abc"));
        assert_eq!(quote(&path), r#"'/invitations/'"$SECRET"'/accept'"#);
    }
}
