//! Filling an operation's template: path, query, headers and body from the values at hand.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use http::header::CONTENT_TYPE;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::Url;

use super::http::{add, add_all_of, outgoing};
use super::{CallError, HttpError, Outgoing, REQUEST_ID};
use crate::contract::{Operation, Place, Slot, SlotKind};
use crate::target::{Secret, Target};

/// RFC 3986 2.3: everything but the unreserved characters is encoded.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What bodies are unless a call says otherwise.
const JSON: &str = "application/json";

/// The values a request is filled with.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) by_kind: BTreeMap<SlotKind, String>,
    pub(super) by_place: BTreeMap<Place, String>,
    pub(super) left_out: BTreeSet<Place>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Option<Value>,
    pub(super) raw_body: Option<(String, String)>,
    /// What stands in a place of the path, encoded already.
    pub(super) verbatim: BTreeMap<Place, String>,
    /// Headers besides those of the contract; a name may occur again.
    pub(super) headers: Vec<(String, String)>,
    /// The path template in place of the contract's.
    pub(super) template: Option<String>,
    pub(super) method: Option<Method>,
}

/// A request ready to be sent.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(String, String)>,
    /// The `Content-Type` of the body, if there is one.
    pub(super) media_type: String,
    pub(super) body: Option<String>,
    /// Values that must not be recorded: invitation tokens, passwords.
    pub(super) secrets: Vec<String>,
}

impl Request {
    pub(super) fn build(
        target: &Target,
        operation: &Operation,
        values: &Values,
    ) -> Result<Request, CallError> {
        let path = path(operation, values)?;
        let mut query = values.query.clone();
        let mut headers = Vec::new();
        for slot in &operation.slots {
            let named = match &slot.place {
                Place::Query(name) => (&mut query, name),
                Place::Header(name) => (&mut headers, name),
                Place::Path(_) | Place::Body(_) => continue,
            };
            if let Some(value) = values.value(operation, slot)? {
                named.0.push((named.1.clone(), value));
            }
        }
        headers.extend(values.headers.iter().cloned());
        headers.extend(operation.headers.iter().cloned());
        let secret = |slot: &&Slot| matches!(slot.kind, SlotKind::InvitationToken | SlotKind::Password);
        let secrets = operation.slots.iter().filter(secret);
        let secrets = secrets.filter_map(|slot| values.given(slot)).collect();
        let mut url = at(&target.base_url, &path).map_err(|_| CallError::Unfilled {
            operation: operation.name.clone(),
            place: path.clone(),
            kind: "path".to_owned(),
        })?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let (media_type, body) = match values.raw_body.clone() {
            Some((media_type, body)) => (media_type, Some(body)),
            None => (JSON.to_owned(), body(operation, values)?.map(|body| body.to_string())),
        };
        let method = values.method.clone().unwrap_or_else(|| operation.method.clone());
        Ok(Request { method, url, headers, media_type, body, secrets })
    }

    /// As it goes over the wire, with a credential in the header of that name.
    pub(super) fn outgoing(
        &self,
        target: &Target,
        id: &str,
        credential: &str,
        values: &[Secret],
    ) -> Result<Outgoing, HttpError> {
        let mut sent = outgoing(self.method.clone(), &self.url)?;
        let headers = sent.headers_mut();
        add(headers, REQUEST_ID, id.as_bytes())?;
        for (name, value) in &self.headers {
            add(headers, name, value.as_bytes())?;
        }
        add_all_of(target, headers)?;
        for value in values {
            add(headers, credential, &octets(value))?;
        }
        if let Some(body) = &self.body {
            // Without a media type the body goes without saying what it is.
            if !self.media_type.is_empty() {
                add(headers, CONTENT_TYPE.as_str(), self.media_type.as_bytes())?;
            }
            *sent.body_mut() = body.clone().into();
        }
        Ok(sent)
    }

    /// Everything the request carries, decoded: what comes back of it is an echo.
    pub(super) fn carried(&self) -> String {
        let decoded = percent_encoding::percent_decode_str(self.url.as_str()).decode_utf8_lossy();
        let headers: Vec<&str> = self.headers.iter().map(|(_, value)| value.as_str()).collect();
        format!("{decoded}\n{}\n{}", headers.join("\n"), self.body.as_deref().unwrap_or_default())
    }
}

impl Values {
    /// The value for a slot; `None` when the place is left out, or the body is given as a whole.
    fn value(&self, operation: &Operation, slot: &Slot) -> Result<Option<String>, CallError> {
        let in_body = matches!(slot.place, Place::Body(_));
        if self.left_out.contains(&slot.place) || (in_body && self.body.is_some()) {
            return Ok(None);
        }
        let value = self.given(slot).or_else(|| slot.example.clone().filter(|_| slot.kind.from_example()));
        if value.is_none() && !slot.optional {
            return Err(CallError::Unfilled {
                operation: operation.name.clone(),
                place: slot.place.to_string(),
                kind: slot.kind.to_string(),
            });
        }
        Ok(value)
    }

    /// The value that the call gives for a slot.
    fn given(&self, slot: &Slot) -> Option<String> {
        self.by_place.get(&slot.place).or_else(|| self.by_kind.get(&slot.kind)).cloned()
    }
}

/// A header's value, a character to a byte: what is no text must be sent too.
fn octets(value: &Secret) -> Cow<'_, [u8]> {
    let text = value.reveal();
    if text.is_ascii() {
        return Cow::Borrowed(text.as_bytes());
    }
    text.chars().map(|character| u8::try_from(character).unwrap_or(b'?')).collect()
}

/// The URL of a path under a base. Its host need not be understood anew for each request.
fn at(base: &Url, path: &str) -> Result<Url, url::ParseError> {
    let under = base.path().trim_end_matches('/');
    // What begins with two slashes, however they are written, would be read as a host.
    let is_plain =
        |path: &str| path.strip_prefix('/').is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
    if base.query().is_none()
        && base.fragment().is_none()
        && is_plain(if under.is_empty() { path } else { under })
    {
        return Url::options().base_url(Some(base)).parse(&format!("{under}{path}"));
    }
    Url::parse(&format!("{}{path}", base.as_str().trim_end_matches('/')))
}

/// The path, filled and encoded.
pub(super) fn path(operation: &Operation, values: &Values) -> Result<String, CallError> {
    let mut path = values.template.clone().unwrap_or_else(|| operation.path.clone());
    for slot in &operation.slots {
        let Place::Path(name) = &slot.place else { continue };
        let encoded = match values.verbatim.get(&slot.place) {
            Some(verbatim) => verbatim.clone(),
            None => match values.value(operation, slot)? {
                Some(value) => utf8_percent_encode(&value, SEGMENT).to_string(),
                None => continue,
            },
        };
        path = path.replace(&format!("{{{name}}}"), &encoded);
    }
    Ok(path)
}

/// The body: the one given, or the contract's example with its places filled.
pub(super) fn body(operation: &Operation, values: &Values) -> Result<Option<Value>, CallError> {
    if values.body.is_some() {
        return Ok(values.body.clone());
    }
    let Some(mut body) = operation.body.clone() else { return Ok(None) };
    for slot in &operation.slots {
        let Place::Body(pointer) = &slot.place else { continue };
        match values.value(operation, slot)? {
            Some(value) => fill(&mut body, pointer, &value),
            None => remove(&mut body, pointer),
        }
    }
    Ok(Some(body))
}

/// Writes a value at a pointer; `*` writes one element, so that the array names exactly the value.
fn fill(body: &mut Value, pointer: &[String], value: &str) {
    match pointer {
        [] => *body = Value::String(value.to_owned()),
        [star] if star == "*" => *body = Value::Array(vec![Value::String(value.to_owned())]),
        [star, rest @ ..] if star == "*" => {
            for item in body.as_array_mut().into_iter().flatten() {
                fill(item, rest, value);
            }
        }
        [name, rest @ ..] => {
            if let Value::Object(members) = body {
                fill(
                    members.entry(name.clone()).or_insert(Value::Object(serde_json::Map::new())),
                    rest,
                    value,
                );
            }
        }
    }
}

/// Removes the member a pointer leads to; for an array's elements, the array.
fn remove(body: &mut Value, pointer: &[String]) {
    let pointer = pointer.strip_suffix(&["*".to_owned()]).unwrap_or(pointer);
    if let [parents @ .., last] = pointer {
        let parent = parents.iter().try_fold(body, |value, name| value.get_mut(name));
        if let Some(Value::Object(members)) = parent {
            members.remove(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use url::Url;

    use super::{at, fill, remove};

    #[test]
    fn no_path_leads_to_another_host() {
        for base in ["http://here:1", "http://here:1/", "http://here:1/v2", "http://here:1/v2/"] {
            let base = Url::parse(base).unwrap();
            let under = base.path().trim_end_matches('/');
            for path in
                ["/things/7", "/things/7?a=b", "/things/%2F%2e%2e", "//there/7", "/\\there", "/\t/there/7"]
            {
                let url = at(&base, path).unwrap();
                let whole = format!("{}{path}", base.as_str().trim_end_matches('/'));
                assert_eq!(url, Url::parse(&whole).unwrap(), "{base} {path}");
                assert_eq!(url.host_str(), Some("here"), "{base} {path}");
                assert!(url.path().starts_with(under), "{url}");
            }
        }
    }

    fn pointer(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn an_array_place_names_exactly_the_value() {
        let mut body = json!({ "teamIds": ["example", "another"] });
        fill(&mut body, &pointer("teamIds/*"), "t1");
        assert_eq!(body, json!({ "teamIds": ["t1"] }));
    }

    #[test]
    fn a_member_inside_array_elements_is_filled_in_each() {
        let mut body = json!({ "items": [{ "team": "a" }, { "team": "b" }] });
        fill(&mut body, &pointer("items/*/team"), "t1");
        assert_eq!(body, json!({ "items": [{ "team": "t1" }, { "team": "t1" }] }));
    }

    #[test]
    fn an_optional_place_without_a_value_is_removed() {
        let mut body = json!({ "name": "n", "teamIds": ["example"] });
        remove(&mut body, &pointer("teamIds/*"));
        assert_eq!(body, json!({ "name": "n" }));
    }
}
