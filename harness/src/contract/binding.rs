//! Operations that a target file binds, for a target that says nothing or too little of them in an OpenAPI document.
//!
//! A binding is compiled into an operation of such a document, with the extensions of docs/contract.md, and read from
//! there: whatever reads a contract cannot tell the two apart.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::openapi::{EFFECTS, METHODS, VISIBILITIES, is_name, names_of};
use super::roles::known;
use super::template::{Placeholder, Template};
use super::{PERMISSION_WORDS, Permission, SlotKind, one_of};

/// One `[operations.NAME]` of a target file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Binding {
    /// `POST /orgs/{orgId:org}/teams`. Without it, the operation of this name in the target's OpenAPI document.
    pub request: Option<String>,
    /// The JSON body, with templates.
    pub body: Option<Value>,
    /// Query parameters.
    pub query: BTreeMap<String, String>,
    /// Headers.
    pub headers: BTreeMap<String, String>,
    /// What the answer tells the id of: slot kind and JSON pointer.
    #[serde(alias = "capture")]
    pub creates: BTreeMap<String, String>,
    /// Operations the caller sends first.
    pub setup: Vec<String>,
    /// Statuses that refuse, besides the target's `denials`.
    pub denied: BTreeSet<u16>,
    /// `read`, `write` or `consume`; follows from the method otherwise.
    pub effect: Option<String>,
    /// `hidden`, `guarded` or `public`.
    pub visibility: Option<String>,
    /// Who may, in permission words.
    pub permission: Vec<String>,
    /// Who may, by the names of roles.
    pub roles: Vec<String>,
    /// The feature the organisation's plan must include.
    pub feature: Option<String>,
    /// The token of `[identity.tokens]` that it wants in the place of the credential.
    pub token: Option<String>,
}

/// Either says who may; any one suffices.
const WHO_MAY: [&str; 2] = ["x-permission", "x-roles"];

/// A binding as an operation of an OpenAPI document.
#[derive(Debug, Default)]
struct Compiled {
    /// Method and path; none where the document has them.
    route: Option<(String, String)>,
    /// What it says of the operation.
    members: Map<String, Value>,
}

/// What is wrong with the bindings of a file, each with its key and the remedy.
///
/// `alone` says that no OpenAPI document has further operations.
pub(crate) fn problems(bindings: &BTreeMap<String, Binding>, roles: &[String], alone: bool) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, binding) in bindings {
        Compiler { name, roles, problems: &mut problems }.compile(binding);
        if alone && binding.request.is_none() {
            problems.push(format!("operations.{name} has no `request`; add request = \"METHOD /path\""));
        }
        for setup in binding.setup.iter().filter(|setup| alone && !bindings.contains_key(*setup)) {
            problems.push(format!(
                "operations.{name}.setup names {setup}, which the file does not bind; add [operations.{setup}]"
            ));
        }
    }
    problems
}

/// The document with the bound operations in it. Where it has a route already, the binding adds to what stands there.
pub(crate) fn bound(
    mut document: Value,
    bindings: &BTreeMap<String, Binding>,
    roles: &[String],
) -> Result<Value, Vec<String>> {
    let (mut problems, mut ours) = (Vec::new(), BTreeSet::new());
    for (name, binding) in bindings {
        let compiled = Compiler { name, roles, problems: &mut problems }.compile(binding);
        let (path, method, mut operation) = if let Some((method, path)) = compiled.route {
            let is_it = |at: &str, of: &str, _: &Value| {
                of == method && same_route(at, &path) && !ours.contains(&(at.to_owned(), of.to_owned()))
            };
            let documented = take(&mut document, is_it);
            let mut operation = documented.map_or_else(|| json!({}), |(_, _, operation)| operation);
            without_path_parameters(&mut operation);
            (path, method, operation)
        } else {
            let is_it = |_: &str, _: &str, operation: &Value| operation["operationId"] == name.as_str();
            let Some(documented) = take(&mut document, is_it) else {
                problems.push(format!(
                        "operations.{name} has no `request`, and no OpenAPI document of the target has an operation of \
                         this name; add request = \"METHOD /path\""
                    ));
                continue;
            };
            documented
        };
        if let Value::Object(members) = &mut operation {
            // Whoever says who may says it whole.
            if WHO_MAY.iter().any(|key| compiled.members.contains_key(*key)) {
                members.retain(|key, _| !WHO_MAY.contains(&key.as_str()));
            }
            members.extend(compiled.members);
            members.entry("responses").or_insert_with(|| json!({}));
        }
        // Two operations may be two ways to use one route.
        let key =
            if ours.contains(&(path.clone(), method.clone())) { format!("{path}#{name}") } else { path };
        put(&mut document, &key, &method, operation);
        ours.insert((key, method));
    }
    problems.extend(unknown_setup(&document, bindings));
    if problems.is_empty() { Ok(document) } else { Err(problems) }
}

/// What is to be sent first and nobody knows.
fn unknown_setup(document: &Value, bindings: &BTreeMap<String, Binding>) -> Vec<String> {
    let names = names_of(document);
    let setups =
        bindings.iter().flat_map(|(name, binding)| binding.setup.iter().map(move |setup| (name, setup)));
    let unknown = setups.filter(|(_, setup)| !names.contains(setup.as_str()));
    let problem = |(name, setup): (&String, &String)| {
        format!(
            "operations.{name}.setup names {setup}, which the file does not bind and no OpenAPI document of the target \
             has; add [operations.{setup}]"
        )
    };
    unknown.map(problem).collect()
}

/// Puts an operation into a document; what is no document stays as it is.
fn put(document: &mut Value, path: &str, method: &str, operation: Value) {
    let Some(members) = document.as_object_mut() else { return };
    let mut at = members.entry("paths").or_insert_with(|| json!({}));
    for name in [path, method] {
        if !at.is_object() {
            *at = json!({});
        }
        let Some(members) = at.as_object_mut() else { return };
        at = members.entry(name).or_insert_with(|| json!({}));
    }
    *at = operation;
}

/// Takes an operation out of a document: its path, its method, and what the document says of it.
fn take(document: &mut Value, is_it: impl Fn(&str, &str, &Value) -> bool) -> Option<(String, String, Value)> {
    let paths = document.get_mut("paths")?.as_object_mut()?;
    for (path, item) in paths {
        let Some(item) = item.as_object_mut() else { continue };
        let found =
            item.iter().find(|(of, operation)| METHODS.contains(&of.as_str()) && is_it(path, of, operation));
        if let Some(method) = found.map(|(method, _)| method.clone()) {
            let operation = item.remove(&method)?;
            return Some((path.clone(), method, operation));
        }
    }
    None
}

/// Whether two paths are one route: parameters may be called as one likes.
fn same_route(one: &str, other: &str) -> bool {
    let shape = |path: &str| -> Vec<String> {
        let blank = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
        path.split(['?', '#']).next().unwrap_or_default().split('/').map(blank).collect()
    };
    shape(one) == shape(other)
}

/// The parameters of the path are those of the binding, by its names.
fn without_path_parameters(operation: &mut Value) {
    if let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) {
        parameters.retain(|parameter| parameter["in"] != "path");
    }
}

struct Compiler<'b> {
    name: &'b str,
    roles: &'b [String],
    problems: &'b mut Vec<String>,
}

impl Compiler<'_> {
    fn problem(&mut self, key: &str, what: &str) {
        let key = if key.is_empty() { String::new() } else { format!(".{key}") };
        self.problems.push(format!("operations.{}{key} {what}", self.name));
    }

    fn compile(&mut self, binding: &Binding) -> Compiled {
        let mut slots = Map::new();
        let mut parameters = Vec::new();
        let mut members = Map::new();
        members.insert("operationId".to_owned(), self.name.into());
        let route = binding.request.as_ref().and_then(|request| {
            let (method, path) = self.request(request, &mut slots, &mut parameters)?;
            Some((method, constants(path, &binding.query)))
        });
        for (name, text) in &binding.query {
            let key = format!("query.{name}");
            if let Some(placeholder) = self.template(&key, text).and_then(Template::placeholder) {
                slot(&mut slots, &mut parameters, ("query", name), &placeholder);
            }
        }
        let mut fixed = Map::new();
        for (name, text) in &binding.headers {
            match self.template(&format!("headers.{name}"), text) {
                Some(Template::Slot(placeholder)) => {
                    slot(&mut slots, &mut parameters, ("header", name), &placeholder);
                }
                Some(Template::Constant(text)) => {
                    fixed.insert(name.clone(), text.into());
                }
                None => {}
            }
        }
        if let Some(body) = &binding.body {
            let example = self.body(&mut Vec::new(), body, &mut slots);
            members.insert(
                "requestBody".into(),
                json!({ "content": { "application/json": { "example": example } } }),
            );
        }
        let lists: [(&str, Value); 2] =
            [("x-denied", json!(binding.denied)), ("x-setup", json!(binding.setup))];
        let given =
            lists.into_iter().filter(|(_, list)| list.as_array().is_some_and(|list| !list.is_empty()));
        members.extend(given.map(|(key, list)| (key.to_owned(), list)));
        for (key, map) in [("x-slot", slots), ("x-headers", fixed), ("x-creates", self.creates(binding))] {
            if !map.is_empty() {
                members.insert(key.to_owned(), map.into());
            }
        }
        if !parameters.is_empty() {
            members.insert("parameters".into(), parameters.into());
        }
        self.words(binding);
        self.authorization(binding, route.as_ref().map(|(method, _)| method.as_str()), &mut members);
        self.denied(binding);
        Compiled { route, members }
    }

    /// Method in lower case and path; the parameters of the path become slots.
    fn request(
        &mut self,
        request: &str,
        slots: &mut Map<String, Value>,
        parameters: &mut Vec<Value>,
    ) -> Option<(String, String)> {
        let (method, path) = request.split_once(' ').unwrap_or((request, ""));
        let (method, path) = (method.to_lowercase(), path.trim());
        if !METHODS.contains(&method.as_str()) || !path.starts_with('/') {
            let what =
                format!("is \"{request}\", expected a method and a path, as in \"POST /orgs/{{org}}/teams\"");
            self.problem("request", &what);
            return None;
        }
        if path.contains(['?', '#']) {
            self.problem(
                "request",
                &format!("is \"{request}\": query parameters stand in query = {{ name = \"…\" }}"),
            );
            return None;
        }
        let mut parts = Vec::new();
        for part in path.split('/') {
            match self.template("request", part)? {
                Template::Constant(text) => parts.push(text),
                Template::Slot(placeholder) if placeholder.optional => {
                    let what =
                        format!("leaves a hole in the path where {part} renders nothing; take the '?' away");
                    self.problem("request", &what);
                }
                Template::Slot(placeholder) => {
                    let name = placeholder.name.clone();
                    slot(slots, parameters, ("path", &name), &placeholder);
                    parts.push(format!("{{{name}}}"));
                }
            }
        }
        Some((method, parts.join("/")))
    }

    /// The example of a body: templates replaced by what they are filled with where nothing else is known.
    fn body(&mut self, at: &mut Vec<String>, value: &Value, slots: &mut Map<String, Value>) -> Value {
        match value {
            Value::String(text) => {
                let key = std::iter::once("body")
                    .chain(at.iter().map(String::as_str))
                    .collect::<Vec<_>>()
                    .join(".");
                match self.template(&key, text) {
                    Some(Template::Slot(placeholder)) => {
                        if at.is_empty() {
                            self.problem(&key, "is one template; a body is an object or an array");
                        }
                        let sign = if placeholder.optional { "?" } else { "" };
                        slots
                            .insert(format!("body/{}{sign}", at.join("/")), placeholder.kind.as_str().into());
                        placeholder.example.unwrap_or_else(|| placeholder.kind.to_string()).into()
                    }
                    Some(Template::Constant(text)) => text.into(),
                    None => Value::Null,
                }
            }
            Value::Object(members) => {
                let member = |(name, value): (&String, &Value)| {
                    at.push(name.clone());
                    let example = self.body(at, value, slots);
                    at.pop();
                    (name.clone(), example)
                };
                Value::Object(members.iter().map(member).collect())
            }
            Value::Array(items) => {
                at.push("*".to_owned());
                let items = items.iter().map(|item| self.body(at, item, slots)).collect();
                at.pop();
                Value::Array(items)
            }
            other => other.clone(),
        }
    }

    fn template(&mut self, key: &str, text: &str) -> Option<Template> {
        match Template::parse(text) {
            Ok(template) => Some(template),
            Err(what) => {
                self.problem(key, &what);
                None
            }
        }
    }

    fn creates(&mut self, binding: &Binding) -> Map<String, Value> {
        let mut creates = Map::new();
        for (kind, pointer) in &binding.creates {
            if kind.parse::<SlotKind>().is_err() {
                let known: Vec<_> = SlotKind::ALL.iter().map(|kind| kind.as_str()).collect();
                let what = format!("is of no slot kind; known kinds: {}", known.join(", "));
                self.problem(&format!("creates.{kind}"), &what);
            } else if pointer.starts_with('/') {
                creates.insert(kind.clone(), pointer.as_str().into());
            } else {
                let what =
                    format!("is \"{pointer}\", expected a JSON pointer into the answer, such as \"/id\"");
                self.problem(&format!("creates.{kind}"), &what);
            }
        }
        creates
    }

    /// What is said in words of the notation, under the keys of the file: whatever reads the document knows only its own.
    fn words(&mut self, binding: &Binding) {
        if !is_name(self.name) {
            self.problem("", "has a name that is not lower-case words joined by '-', as in team-create");
        }
        for word in &binding.permission {
            self.permission(word);
        }
        self.word("effect", binding.effect.as_deref(), &EFFECTS);
        self.word("visibility", binding.visibility.as_deref(), &VISIBILITIES);
        if binding.feature.as_deref() == Some("") {
            self.problem("feature", "is \"\", expected the name of a feature");
        }
    }

    fn word<T>(&mut self, key: &str, said: Option<&str>, words: &[(&str, T)]) {
        let known = |said: &str| words.iter().any(|(word, _)| *word == said);
        if let Some(said) = said.filter(|said| !known(said)) {
            self.problem(key, &format!("is \"{said}\", expected {}", one_of(words)));
        }
    }

    fn permission(&mut self, word: &str) {
        let has_roles = !self.roles.is_empty();
        let what = match Permission::parse(word) {
            Some(Permission::Named(_)) if has_roles => {
                format!(
                    "holds {word}, which no role of vocabulary.roles has; say who may with roles = [\"…\"]"
                )
            }
            Some(_) => return,
            None => {
                let named = if has_roles { "" } else { ", or a permission such as team:read" };
                let words = one_of(&PERMISSION_WORDS);
                format!(
                    "holds \"{word}\", expected {words}{named}; which roles may is said with roles = [\"…\"]"
                )
            }
        };
        self.problem("permission", &what);
    }

    /// Who may, what it does and who may know: said, or following from the method.
    fn authorization(&mut self, binding: &Binding, method: Option<&str>, members: &mut Map<String, Value>) {
        for unknown in binding.roles.iter().filter(|role| !self.roles.contains(role)).collect::<Vec<_>>() {
            let what = format!(
                "names {unknown}, which is no role of vocabulary.roles (known: {}); add it there",
                known(self.roles)
            );
            self.problem("roles", &what);
        }
        let said = WHO_MAY.into_iter().zip([&binding.permission, &binding.roles]);
        let said = said.filter(|(_, list)| !list.is_empty());
        members.extend(said.map(|(key, list)| (key.to_owned(), json!(list))));
        if binding.permission.is_empty() && binding.roles.is_empty() && binding.request.is_some() {
            let what = "does not say who may: add roles = [\"…\"] or permission = [\"signed-in\"] (docs/contract.md has \
                        the words)";
            self.problem("", what);
        }
        let effect = binding.effect.as_deref().or_else(|| {
            method.map(|method| match method {
                "get" | "head" | "options" => "read",
                "delete" => "consume",
                _ => "write",
            })
        });
        // Of a system that says nothing of it, nothing is claimed: it may refuse strangers as it likes.
        let visibility = binding.visibility.as_deref().or_else(|| method.map(|_| "public"));
        for (key, word) in [
            ("x-effect", effect),
            ("x-visibility", visibility),
            ("x-feature", binding.feature.as_deref()),
            ("x-token", binding.token.as_deref()),
        ] {
            if let Some(word) = word {
                members.insert(key.to_owned(), word.into());
            }
        }
    }

    fn denied(&mut self, binding: &Binding) {
        if let Some(status) = binding.denied.iter().find(|status| !(400..500).contains(*status)) {
            self.problem("denied", &format!("lists {status}; a refusal is a status from 400 to 499"));
        }
    }
}

/// A path with the query parameters that are the same in every request.
fn constants(path: String, query: &BTreeMap<String, String>) -> String {
    let fixed = query.iter().filter(|(_, text)| matches!(Template::parse(text), Ok(Template::Constant(_))));
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    let query = pairs.extend_pairs(fixed).finish();
    if query.is_empty() { path } else { format!("{path}?{query}") }
}

fn slot(
    slots: &mut Map<String, Value>,
    parameters: &mut Vec<Value>,
    (place, name): (&str, &str),
    placeholder: &Placeholder,
) {
    let sign = if placeholder.optional { "?" } else { "" };
    slots.insert(format!("{place}/{name}{sign}"), placeholder.kind.as_str().into());
    if let Some(example) = &placeholder.example {
        parameters.push(json!({ "in": place, "name": name, "example": example }));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Binding, bound};

    #[test]
    fn what_only_the_document_would_stumble_over_is_named_by_the_keys_of_the_file() {
        let request = Some("GET /spaces/{org}".to_owned());
        let binding = Binding { request, setup: vec!["org-list".to_owned()], ..Binding::default() };
        let problems =
            bound(json!({}), &[("OrgGet".to_owned(), binding)].into(), &[]).unwrap_err().join("\n");
        for words in ["operations.OrgGet has a name that is not", "operations.OrgGet.setup names org-list"] {
            assert!(problems.contains(words), "'{words}' is missing in: {problems}");
        }
    }
}
