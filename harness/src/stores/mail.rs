//! A mail stand-in that records what the target sends. Speaks `SendEmail` of SES v2.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use crate::wait::{self, TimedOut};

/// A mail the target sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The sender.
    pub from: String,
    /// The subject line.
    pub subject: String,
    /// The text part.
    pub text: String,
}

impl Mail {
    /// The secret an invitation mail carries: the last path segment of its first link.
    pub fn token(&self) -> Option<&str> {
        let start = ["https://", "http://"].iter().filter_map(|scheme| self.text.find(scheme)).min()?;
        let link =
            self.text[start..].split(|c: char| c.is_whitespace() || matches!(c, '>' | '"' | ')')).next()?;
        link.trim_end_matches(['.', ',']).rsplit('/').next().filter(|token| !token.is_empty())
    }
}

#[derive(Debug, Default)]
struct Received {
    by_recipient: Mutex<HashMap<String, Vec<Mail>>>,
    unreadable: Mutex<Vec<String>>,
}

/// A running mail stand-in. It ends when dropped.
#[derive(Debug)]
pub struct Mailbox {
    server: MockServer,
    received: Arc<Received>,
}

struct Responder(Arc<Received>);

impl Respond for Responder {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let Some((recipients, mail)) = read(&request.body) else {
            let text = String::from_utf8_lossy(&request.body).into_owned();
            self.0.unreadable.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            return ResponseTemplate::new(400).set_body_json(json!({ "message": "not a SendEmail request" }));
        };
        let mut by_recipient = self.0.by_recipient.lock().unwrap_or_else(PoisonError::into_inner);
        for recipient in recipients {
            by_recipient.entry(recipient.to_lowercase()).or_default().push(mail.clone());
        }
        ResponseTemplate::new(200).set_body_json(json!({ "MessageId": crate::leak::random_code(20) }))
    }
}

/// Recipients and mail of a `SendEmail` request with simple content.
fn read(body: &[u8]) -> Option<(Vec<String>, Mail)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let recipients = body.pointer("/Destination/ToAddresses")?.as_array()?;
    let recipients = recipients.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let mail = Mail {
        from: text("/FromEmailAddress")?,
        subject: text("/Content/Simple/Subject/Data")?,
        text: text("/Content/Simple/Body/Text/Data")?,
    };
    Some((recipients, mail))
}

impl Mailbox {
    /// Starts a stand-in. Port 0 picks a free one.
    pub async fn start(listen: SocketAddr) -> std::io::Result<Mailbox> {
        let received = Arc::new(Received::default());
        let listener = TcpListener::bind(listen)?;
        let server = MockServer::builder().listener(listener).disable_request_recording().start().await;
        Mock::given(method("POST"))
            .and(path("/v2/email/outbound-emails"))
            .respond_with(Responder(received.clone()))
            .mount(&server)
            .await;
        Ok(Mailbox { server, received })
    }

    /// The base URL to configure as SES endpoint.
    pub fn url(&self) -> String {
        self.server.uri()
    }

    /// Every mail to an address so far, oldest first.
    pub fn to(&self, address: &str) -> Vec<Mail> {
        let by_recipient = self.received.by_recipient.lock().unwrap_or_else(PoisonError::into_inner);
        by_recipient.get(&address.to_lowercase()).cloned().unwrap_or_default()
    }

    /// The newest mail to an address, waiting a while for it: mail may be sent after the answer.
    pub async fn newest(&self, address: &str) -> Result<Mail, TimedOut> {
        wait::until(&format!("a mail to {address}"), Duration::from_secs(5), || async {
            self.to(address).pop().ok_or_else(|| {
                let unreadable =
                    self.received.unreadable.lock().unwrap_or_else(PoisonError::into_inner).len();
                format!("no mail to it, {unreadable} requests that were no SendEmail")
            })
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::Mail;

    fn token(text: &str) -> Option<String> {
        let mail = Mail { from: String::new(), subject: String::new(), text: text.to_owned() };
        mail.token().map(str::to_owned)
    }

    #[test]
    fn the_token_is_the_last_segment_of_the_first_link() {
        let text = "Join us: https://app.example.com/invitations/abc_DEF-1.\nHelp: https://example.com/help";
        assert_eq!(token(text).as_deref(), Some("abc_DEF-1"));
        assert_eq!(token("no link here"), None);
    }
}
