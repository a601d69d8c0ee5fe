//! Whether an answer is one that the OpenAPI document promises: its status, its media type, its body.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use super::openapi::{METHODS, resolve};

/// How an answer breaks its promise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Nonconformity {
    /// The status is not documented.
    #[error("status {status} is not documented; documented: {}", list(.documented))]
    Status {
        /// What came.
        status: u16,
        /// What may come.
        documented: BTreeSet<u16>,
    },
    /// The body is of another kind.
    #[error("status {status} promises {}, got {}", kind(.promised.as_deref()), kind(.found.as_deref()))]
    MediaType {
        /// The status.
        status: u16,
        /// The documented media type; none for no body.
        promised: Option<String>,
        /// What came; none for no body.
        found: Option<String>,
    },
    /// The body does not match the schema.
    #[error("the body of status {status} does not match its schema: {}", .faults.join("; "))]
    Body {
        /// The status.
        status: u16,
        /// JSON pointer and what is wrong there.
        faults: Vec<String>,
    },
    /// The document itself is broken.
    #[error("the schema of status {status} cannot be used: {why}")]
    Schema {
        /// The status.
        status: u16,
        /// What is wrong with it.
        why: String,
    },
}

fn list(statuses: &BTreeSet<u16>) -> String {
    statuses.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

fn kind(media_type: Option<&str>) -> &str {
    media_type.unwrap_or("no body")
}

/// What one status of an operation promises.
#[derive(Clone, Debug)]
struct Promise {
    media_type: Option<String>,
    schema: Option<Value>,
}

/// By the schema's own text: most refusals share one.
type Compiled = BTreeMap<String, Result<Arc<Validator>, String>>;

/// The promises of an OpenAPI document. Members that a schema does not name are no part of a promise: an answer
/// that carries them is refused, because that is how internals get out (OWASP API3).
pub struct Conformance {
    components: Value,
    operations: BTreeMap<String, BTreeMap<u16, Promise>>,
    // Most runs look at few of the many schemas, and a target must be ready at once.
    compiled: Mutex<Compiled>,
}

impl fmt::Debug for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conformance").field("operations", &self.operations.len()).finish_non_exhaustive()
    }
}

/// What was read before, by the text of the document: systems of one kind share it.
static READ: Mutex<BTreeMap<String, Arc<Conformance>>> = Mutex::new(BTreeMap::new());

impl Conformance {
    /// The promises of a document, read once in a process.
    pub fn shared(document: &Value) -> Arc<Conformance> {
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(read.entry(document.to_string()).or_insert_with(|| Arc::new(Conformance::of(document))))
    }

    /// The promises of a document.
    pub fn of(document: &Value) -> Conformance {
        let mut components = document.get("components").cloned().unwrap_or(Value::Null);
        if let Some(schemas) = components.get_mut("schemas").and_then(Value::as_object_mut) {
            schemas.values_mut().for_each(close);
        }
        let mut operations = BTreeMap::new();
        let paths = document.get("paths").and_then(Value::as_object);
        for item in paths.into_iter().flat_map(Map::values).filter_map(Value::as_object) {
            for operation in METHODS.iter().filter_map(|method| item.get(*method)) {
                let Some(name) = operation.get("operationId").and_then(Value::as_str) else { continue };
                let responses = operation.get("responses").and_then(Value::as_object);
                let promises = responses.into_iter().flatten().filter_map(|(status, response)| {
                    Some((status.parse().ok()?, Promise::of(resolve(document, response))))
                });
                operations.insert(name.to_owned(), promises.collect());
            }
        }
        Conformance { components, operations, compiled: Mutex::default() }
    }

    /// The statuses an operation documents; none for one that is not in the document.
    pub fn statuses(&self, operation: &str) -> BTreeSet<u16> {
        self.operations.get(operation).map(|promises| promises.keys().copied().collect()).unwrap_or_default()
    }

    /// Holds an answer against its promise. `media_type` is the `Content-Type` as it came, parameters included.
    pub fn check(
        &self,
        operation: &str,
        status: u16,
        media_type: Option<&str>,
        body: &str,
    ) -> Result<(), Nonconformity> {
        let promises = self.operations.get(operation);
        if promises.is_some_and(BTreeMap::is_empty) {
            // A document, or a binding, that says nothing of answers promises nothing.
            return Ok(());
        }
        let promise = promises.and_then(|promises| promises.get(&status));
        let Some(promise) = promise else {
            return Err(Nonconformity::Status { status, documented: self.statuses(operation) });
        };
        let found = media_type.and_then(|text| text.split(';').next()).map(|text| text.trim().to_lowercase());
        let found = found.filter(|_| !body.is_empty());
        if found != promise.media_type {
            return Err(Nonconformity::MediaType { status, promised: promise.media_type.clone(), found });
        }
        let Some(schema) = &promise.schema else { return Ok(()) };
        let validator = self.validator(status, schema)?;
        let faults = match serde_json::from_str::<Value>(body) {
            Ok(body) => validator
                .iter_errors(&body)
                .map(|error| format!("'{}' {error}", error.instance_path()))
                .collect(),
            Err(error) => vec![format!("it is no JSON: {error}")],
        };
        if faults.is_empty() { Ok(()) } else { Err(Nonconformity::Body { status, faults }) }
    }

    fn validator(&self, status: u16, schema: &Value) -> Result<Arc<Validator>, Nonconformity> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let validator = compiled.entry(schema.to_string()).or_insert_with(|| {
            // References of the document point at `#/components`.
            let whole = json!({ "components": self.components, "allOf": [schema] });
            let built = jsonschema::draft202012::options().should_validate_formats(true).build(&whole);
            built.map(Arc::new).map_err(|error| error.to_string())
        });
        validator.clone().map_err(|why| Nonconformity::Schema { status, why })
    }
}

impl Promise {
    fn of(response: &Value) -> Promise {
        let media =
            response.get("content").and_then(Value::as_object).and_then(|content| content.iter().next());
        let schema = media.and_then(|(_, media)| media.get("schema")).cloned().map(|mut schema| {
            close(&mut schema);
            schema
        });
        Promise { media_type: media.map(|(name, _)| name.to_lowercase()), schema }
    }
}

/// Allows no members besides those that a schema names, at any depth. Parts of a composition (`allOf`) are left
/// open: each names some of the members of the whole.
fn close(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else { return };
    if schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    for (key, part) in schema.iter_mut() {
        match key.as_str() {
            "properties" => part.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(close),
            "items" | "additionalProperties" => close(part),
            "oneOf" | "anyOf" => part.as_array_mut().into_iter().flatten().for_each(close),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Conformance, Nonconformity};

    fn conformance() -> Conformance {
        let team = json!({ "type": "object", "required": ["id"], "properties": {
            "id": { "type": "string" }, "tags": { "type": "array", "items": { "$ref": "#/components/schemas/Tag" } } } });
        let tag = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
        let media = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Team" } } });
        let document = json!({
            "paths": { "/teams/{id}": { "get": { "operationId": "team-get", "responses": {
                "200": { "content": media }, "204": {} } } } },
            "components": { "schemas": { "Team": team, "Tag": tag } },
        });
        Conformance::of(&document)
    }

    fn faults(body: &Value) -> Vec<String> {
        match conformance().check("team-get", 200, Some("application/json"), &body.to_string()) {
            Ok(()) => Vec::new(),
            Err(Nonconformity::Body { faults, .. }) => faults,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn what_was_promised_conforms() {
        assert_eq!(faults(&json!({ "id": "t", "tags": [{ "name": "n" }] })), Vec::<String>::new());
        assert_eq!(conformance().check("team-get", 204, None, ""), Ok(()));
    }

    #[test]
    fn a_missing_and_a_mistyped_member_are_named_with_their_place() {
        assert!(faults(&json!({ "tags": [] }))[0].contains("\"id\""));
        assert!(faults(&json!({ "id": "t", "tags": [{ "name": 1 }] }))[0].contains("/tags/0/name"));
    }

    #[test]
    fn a_member_nobody_documented_is_refused_at_any_depth() {
        assert!(faults(&json!({ "id": "t", "secret": 1 }))[0].contains("secret"));
        assert!(faults(&json!({ "id": "t", "tags": [{ "secret": 1 }] }))[0].contains("secret"));
    }

    #[test]
    fn another_status_and_another_media_type_are_refused() {
        let conformance = conformance();
        let status = conformance.check("team-get", 500, None, "").unwrap_err();
        assert_eq!(status.to_string(), "status 500 is not documented; documented: 200, 204");
        let html = conformance.check("team-get", 200, Some("text/html; charset=utf-8"), "<p>").unwrap_err();
        assert_eq!(html.to_string(), "status 200 promises application/json, got text/html");
        let body = conformance.check("team-get", 204, Some("application/json"), "{}").unwrap_err();
        assert_eq!(body.to_string(), "status 204 promises no body, got application/json");
    }
}
