//! Reading the contract from an OpenAPI document.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Map, Value};

use super::roles::permission_of_roles;
use super::schema::{self, Schemas};
use super::{
    Contract, Effect, Operation, Permission, Place, Slot, SlotKind, Unannotated, Visibility, one_of,
};

/// The document cannot be used as a contract.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// No OpenAPI 3 document.
    #[error("expected an OpenAPI 3 document with `paths`, found {found}; check `openapi` in the target file")]
    NotOpenApi {
        /// What came instead, shortened.
        found: String,
    },
    /// Annotations that say something impossible.
    #[error("the contract is not understood:\n  {}\ndocs/contract.md has the notation", .0.join("\n  "))]
    Malformed(Vec<String>),
}

/// The methods a path item may hold; its other members are no operations.
pub(super) const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// What an operation may do to what it names.
pub(super) const EFFECTS: [(&str, Effect); 3] =
    [("read", Effect::Read), ("write", Effect::Write), ("consume", Effect::Consume)];

/// What a stranger may learn.
pub(super) const VISIBILITIES: [(&str, Visibility); 3] =
    [("hidden", Visibility::Hidden), ("guarded", Visibility::Guarded), ("public", Visibility::Public)];

/// Whether something can be the name of an operation.
pub(super) fn is_name(name: &str) -> bool {
    name.split('-')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

impl Contract {
    /// Reads a contract. A route that lacks annotations goes to `unannotated`; an annotation that is there
    /// and wrong is an error. All of them are reported at once.
    pub fn from_openapi(document: &Value) -> Result<Contract, ContractError> {
        let paths = document.get("paths").and_then(Value::as_object);
        let versioned = document.get("openapi").and_then(Value::as_str).is_some_and(|v| v.starts_with("3."));
        let (true, Some(paths)) = (versioned, paths) else {
            return Err(ContractError::NotOpenApi { found: document.to_string().chars().take(80).collect() });
        };
        let mut contract = Contract::default();
        let mut problems = Vec::new();
        for (path, item) in paths {
            let shared = item.get("parameters");
            for (method, operation) in item.as_object().into_iter().flatten() {
                if !METHODS.contains(&method.as_str()) {
                    continue;
                }
                let mut reader =
                    Reader { document, path, method, operation, missing: Vec::new(), problems: Vec::new() };
                let read = reader.operation(shared);
                if !reader.missing.is_empty() {
                    let route = reader.route();
                    contract.unannotated.push(Unannotated { route, missing: reader.missing });
                } else if let (Some(read), true) = (read, reader.problems.is_empty()) {
                    let name = read.name.clone();
                    if contract.operations.insert(name.clone(), read).is_some() {
                        problems.push(format!("operation {name} stands twice; operationId must be unique"));
                    }
                }
                problems.extend(reader.problems);
            }
        }
        if problems.is_empty() { Ok(contract) } else { Err(ContractError::Malformed(problems)) }
    }
}

struct Reader<'d> {
    document: &'d Value,
    path: &'d str,
    method: &'d str,
    operation: &'d Value,
    missing: Vec<String>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn route(&self) -> String {
        format!("{} {}", self.method.to_uppercase(), self.path)
    }

    /// The operation's name, or its route where it has none, for messages.
    fn name(&self) -> String {
        let name = self.operation.get("operationId").and_then(Value::as_str);
        name.map_or_else(|| self.route(), |name| format!("operation {name}"))
    }

    fn problem(&mut self, what: &str) {
        let name = self.name();
        self.problems.push(format!("{name}: {what}"));
    }

    fn operation(&mut self, shared_parameters: Option<&Value>) -> Option<Operation> {
        let name = self.required("operationId")?.as_str().map(str::to_owned);
        if !name.as_deref().is_some_and(is_name) {
            self.problem("operationId must be lower-case words joined by '-', as in team-create");
        }
        let roles = self.roles();
        let permission = self.operation.get("x-permission");
        if permission.is_none() && roles.is_none() {
            self.missing.push("x-permission or x-roles".to_owned());
        }
        let effect = self.required("x-effect").cloned();
        let visibility = self.required("x-visibility").cloned();
        let feature = self.named("x-feature", "a feature");
        let token = self.named("x-token", "a token of [identity.tokens] in the target file");
        let denied = self.denied();
        let setup = self.setup();
        let slots = self.slots(shared_parameters);
        let creates = self.creates();
        if !self.missing.is_empty() {
            return None;
        }
        let name = name?;
        let mut permission = permission.map(|words| self.permission(words)).unwrap_or_default();
        permission.extend(roles.is_some().then(|| Permission::Named(permission_of_roles(&name))));
        let effect = self.word(&effect?, "x-effect", &EFFECTS);
        let visibility = self.word(&visibility?, "x-visibility", &VISIBILITIES);
        let statuses = self.operation.get("responses").and_then(Value::as_object);
        let statuses: BTreeSet<u16> =
            statuses.into_iter().flat_map(Map::keys).filter_map(|status| status.parse().ok()).collect();
        Some(Operation {
            name,
            method: Method::from_bytes(self.method.to_uppercase().as_bytes()).ok()?,
            // Two operations may be two ways to use one route: what stands behind '#' tells them apart, and is not sent.
            path: self.path.split('#').next().unwrap_or_default().to_owned(),
            slots,
            effect: effect?,
            permission,
            roles: roles.unwrap_or_default(),
            visibility: visibility?,
            feature,
            creates,
            body: self.example(),
            statuses,
            denied,
            setup,
            headers: self.headers(),
            token,
            asked: schema::asked(self.document, self.operation),
            answered: schema::answered(self.document, self.operation),
            query: self.query(shared_parameters),
        })
    }

    fn required(&mut self, key: &str) -> Option<&Value> {
        if self.operation.get(key).is_none() {
            self.missing.push(key.to_owned());
        }
        self.operation.get(key)
    }

    fn word<T: Copy>(&mut self, value: &Value, key: &str, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, meaning)| *meaning);
        if found.is_none() {
            self.problem(&format!("{key} is {value}, expected {}", one_of(words)));
        }
        found
    }

    fn named(&mut self, key: &str, what: &str) -> Option<String> {
        let name = self.operation.get(key)?;
        if name.as_str().is_none_or(str::is_empty) {
            self.problem(&format!("{key} is {name}, expected the name of {what}"));
        }
        name.as_str().map(str::to_owned)
    }

    fn denied(&mut self) -> BTreeSet<u16> {
        let listed = self.operation.get("x-denied").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut denied = BTreeSet::new();
        for status in listed {
            match status
                .as_u64()
                .and_then(|status| u16::try_from(status).ok())
                .filter(|s| (400..500).contains(s))
            {
                Some(status) => _ = denied.insert(status),
                None => self.problem(&format!("x-denied holds {status}, expected a status from 400 to 499")),
            }
        }
        denied
    }

    fn setup(&mut self) -> Vec<String> {
        let Some(listed) = self.operation.get("x-setup").and_then(Value::as_array) else { return Vec::new() };
        let mut setup = Vec::new();
        let names = names_of(self.document);
        for name in listed {
            match name.as_str().filter(|name| names.contains(name)) {
                Some(name) => setup.push(name.to_owned()),
                None => self.problem(&format!("x-setup names {name}, which is no operation of the contract")),
            }
        }
        setup
    }

    fn headers(&self) -> Vec<(String, String)> {
        let headers = self.operation.get("x-headers").and_then(Value::as_object).into_iter().flatten();
        headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
    }

    /// The roles that may; none where the operation does not say so.
    fn roles(&mut self) -> Option<Vec<String>> {
        let value = self.operation.get("x-roles")?;
        let names = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let roles: Vec<String> = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if roles.is_empty() || roles.len() < names.len() {
            self.problem(&format!("x-roles is {value}, expected an array of roles such as [\"owner\"]"));
        }
        Some(roles)
    }

    fn permission(&mut self, value: &Value) -> Vec<Permission> {
        let words = value.as_array().map(Vec::as_slice).unwrap_or_default();
        if words.is_empty() {
            self.problem(&format!("x-permission is {value}, expected an array such as [\"team:read\"]"));
        }
        let mut permission = Vec::new();
        for word in words {
            match word.as_str().and_then(Permission::parse) {
                Some(parsed) => permission.push(parsed),
                None => self.problem(&format!(
                    "x-permission holds {word}, expected a permission or a word of the notation"
                )),
            }
        }
        permission
    }

    fn slots(&mut self, shared_parameters: Option<&Value>) -> Vec<Slot> {
        let mut slots = Vec::new();
        for (place, kind) in self.operation.get("x-slot").and_then(Value::as_object).into_iter().flatten() {
            let (bare, optional) = match place.strip_suffix('?') {
                Some(bare) => (bare, true),
                None => (place.as_str(), false),
            };
            let kind_word = kind.as_str().unwrap_or_default();
            match (bare.parse::<Place>(), kind_word.parse::<SlotKind>()) {
                (Ok(place), Ok(kind)) => slots.push(Slot { place, kind, optional, example: None }),
                (Err(wrong), _) => self.problem(&wrong),
                (_, Err(())) => {
                    let known: Vec<_> = SlotKind::ALL.iter().map(|kind| kind.as_str()).collect();
                    self.problem(&format!(
                        "slot {bare} has the unknown kind {kind}; known kinds: {}",
                        known.join(", ")
                    ));
                }
            }
        }
        let parameters = self.parameters(shared_parameters);
        let body = self.example();
        for slot in &mut slots {
            slot.example = match &slot.place {
                Place::Path(name) => parameter_example(&parameters, "path", name),
                Place::Query(name) => parameter_example(&parameters, "query", name),
                Place::Header(name) => parameter_example(&parameters, "header", name),
                Place::Body(pointer) => body.as_ref().and_then(|body| body_example(body, pointer)),
            };
        }
        let declared = parameters.iter().filter(|parameter| text_of(parameter, "in") == Some("path"));
        let declared = declared.filter_map(|parameter| text_of(parameter, "name"));
        let named =
            self.path.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name);
        let path_parameters: BTreeSet<String> = declared.chain(named).map(str::to_owned).collect();
        for parameter in path_parameters {
            if !slots.iter().any(|slot| slot.place == Place::Path(parameter.clone())) {
                self.missing.push(format!("x-slot for path/{parameter}"));
            }
        }
        slots
    }

    /// The parameters that all operations of the path have, and its own.
    fn parameters<'s>(&'s self, shared: Option<&'s Value>) -> Vec<&'s Value> {
        let all = [shared, self.operation.get("parameters")].into_iter().flatten();
        let all = all.filter_map(Value::as_array).flatten();
        all.map(|parameter| resolve(self.document, parameter)).collect()
    }

    fn query(&self, shared: Option<&Value>) -> Schemas {
        schema::query(&self.parameters(shared))
    }

    fn creates(&mut self) -> Vec<(SlotKind, String)> {
        let mut creates = Vec::new();
        for (kind, pointer) in
            self.operation.get("x-creates").and_then(Value::as_object).into_iter().flatten()
        {
            match (kind.parse::<SlotKind>(), pointer.as_str().filter(|pointer| pointer.starts_with('/'))) {
                (Ok(kind), Some(pointer)) => creates.push((kind, pointer.to_owned())),
                (Err(()), _) => self.problem(&format!("x-creates has the unknown slot kind '{kind}'")),
                (_, None) => self.problem(&format!(
                    "x-creates of '{kind}' is {pointer}, expected a JSON pointer such as /id"
                )),
            }
        }
        creates
    }

    /// The example of the JSON body, from the media type or its schema.
    fn example(&self) -> Option<Value> {
        let body = resolve(self.document, self.operation.get("requestBody")?);
        let media = body.get("content")?.get("application/json")?;
        let first_of_many = || media.get("examples")?.as_object()?.values().next()?.get("value");
        let of_schema = || {
            let schema = resolve(self.document, media.get("schema")?);
            schema.get("example").or_else(|| schema.get("examples")?.get(0))
        };
        media.get("example").or_else(first_of_many).or_else(of_schema).cloned()
    }
}

/// What the operations of a document are called.
pub(super) fn names_of(document: &Value) -> BTreeSet<&str> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flat_map(Map::values);
    let operations = paths.filter_map(Value::as_object).flat_map(Map::values);
    operations.filter_map(|operation| text_of(operation, "operationId")).collect()
}

fn text_of<'v>(value: &'v Value, member: &str) -> Option<&'v str> {
    value.get(member).and_then(Value::as_str)
}

fn parameter_example(parameters: &[&Value], place: &str, name: &str) -> Option<String> {
    let is_it = |parameter: &&&Value| {
        text_of(parameter, "in") == Some(place) && text_of(parameter, "name") == Some(name)
    };
    let parameter = parameters.iter().find(is_it)?;
    let example = parameter.get("example").or_else(|| parameter.pointer("/schema/example"))?;
    Some(example.as_str().map_or_else(|| example.to_string(), str::to_owned))
}

fn body_example(body: &Value, pointer: &[String]) -> Option<String> {
    let step = |value: &'_ Value, name: &String| -> Option<Value> {
        if name == "*" { value.get(0) } else { value.get(name) }.cloned()
    };
    pointer.iter().try_fold(body.clone(), |value, name| step(&value, name))?.as_str().map(str::to_owned)
}

/// Follows one local `$ref`.
pub(super) fn resolve<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    let target = value.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Contract, Effect, Place, SlotKind};

    fn document(operation: &Value) -> Value {
        json!({ "openapi": "3.1.0", "paths": { "/v1/orgs/{orgId}/teams": { "post": operation } } })
    }

    fn annotated() -> Value {
        json!({
            "operationId": "team-create", "x-permission": ["team:create"], "x-effect": "write",
            "x-visibility": "hidden", "x-creates": { "team": "/id" },
            "x-slot": { "path/orgId": "org", "body/name": "text", "body/leads/*?": "user" },
            "requestBody": { "content": { "application/json": { "example": { "name": "n", "leads": ["u"] } } } },
            "responses": { "201": {}, "404": {} }
        })
    }

    #[test]
    fn an_annotated_operation_is_read_whole() {
        let contract = Contract::from_openapi(&document(&annotated())).unwrap();
        let operation = contract.get("team-create").unwrap();
        assert_eq!(operation.effect, Effect::Write);
        assert_eq!(operation.created(SlotKind::Team), Some("/id"));
        assert_eq!(operation.statuses, [201, 404].into());
        let naming: Vec<_> = operation.naming_slots().map(|slot| slot.place.to_string()).collect();
        assert_eq!(naming, ["body/leads/*", "path/orgId"]);
        let lead = Place::Body(vec!["leads".into(), "*".into()]);
        assert!(operation.slots.iter().any(|slot| slot.place == lead && slot.optional));
    }

    #[test]
    fn an_id_that_the_answer_repeats_is_chosen_by_the_caller_and_named_by_nobody() {
        let operation = json!({
            "operationId": "tenant-create", "x-permission": ["platform:manage"], "x-effect": "write",
            "x-visibility": "public", "x-creates": { "org": "/clerkOrgId", "tenant": "/id" },
            "x-slot": { "path/orgId": "team", "body/clerkOrgId": "org", "body/parentId": "org" }, "x-feature": "ai"
        });
        let contract = Contract::from_openapi(&document(&operation)).unwrap();
        let operation = contract.get("tenant-create").unwrap();
        assert_eq!(operation.feature.as_deref(), Some("ai"));
        let naming: Vec<_> = operation.naming_slots().map(|slot| slot.place.to_string()).collect();
        assert_eq!(naming, ["body/parentId", "path/orgId"]);
    }

    #[test]
    fn a_route_without_annotations_is_listed_with_what_it_lacks() {
        let contract = Contract::from_openapi(&document(&json!({ "operationId": "team-create" }))).unwrap();
        assert!(contract.is_empty());
        assert_eq!(
            contract.unannotated[0].to_string(),
            "POST /v1/orgs/{orgId}/teams lacks x-permission or x-roles, x-effect, x-visibility, x-slot for path/orgId"
        );
    }

    #[test]
    fn roles_suffice_to_say_who_may() {
        let mut operation = annotated();
        operation.as_object_mut().unwrap().remove("x-permission");
        operation["x-roles"] = json!(["owner", "writer"]);
        let contract = Contract::from_openapi(&document(&operation)).unwrap();
        assert_eq!(contract.get("team-create").unwrap().roles, ["owner", "writer"]);
        for wrong in [json!([]), json!("owner"), json!(["owner", 1])] {
            operation["x-roles"] = wrong;
            let error = Contract::from_openapi(&document(&operation)).unwrap_err().to_string();
            assert!(error.contains("operation team-create: x-roles is"), "{error}");
        }
    }

    #[test]
    fn an_unknown_slot_kind_is_named_with_its_operation_and_place() {
        let mut operation = annotated();
        operation["x-slot"]["path/orgId"] = "orgg".into();
        let error = Contract::from_openapi(&document(&operation)).unwrap_err().to_string();
        assert!(
            error.contains("operation team-create: slot path/orgId has the unknown kind \"orgg\""),
            "{error}"
        );
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let mut operation = annotated();
        operation["x-effect"] = "destroy".into();
        operation["x-permission"] = json!(["anybody"]);
        let error = Contract::from_openapi(&document(&operation)).unwrap_err().to_string();
        assert!(error.contains("x-effect is \"destroy\"") && error.contains("\"anybody\""), "{error}");
    }

    #[test]
    fn what_is_no_openapi_document_is_refused() {
        let error = Contract::from_openapi(&json!({ "swagger": "2.0" })).unwrap_err().to_string();
        assert!(error.contains("OpenAPI 3") && error.contains("swagger"), "{error}");
    }
}
