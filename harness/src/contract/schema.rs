//! What the OpenAPI document says of members and parameters: their names and their schemas.

use std::collections::BTreeMap;

use serde_json::Value;

use super::openapi::resolve;

/// Schemas by name.
pub type Schemas = BTreeMap<String, Value>;

/// The members of an operation's JSON body.
pub(super) fn asked(document: &Value, operation: &Value) -> Schemas {
    let body = operation.get("requestBody").map(|body| resolve(document, body));
    body.map(|body| members(document, body)).unwrap_or_default()
}

/// The members of whatever an operation answers with when it is done.
pub(super) fn answered(document: &Value, operation: &Value) -> Schemas {
    let responses = operation.get("responses").and_then(Value::as_object);
    let done = responses.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
    done.flat_map(|(_, response)| members(document, resolve(document, response))).collect()
}

/// The parameters in the query.
pub(super) fn query(parameters: &[&Value]) -> Schemas {
    let in_query = parameters.iter().filter(|parameter| parameter["in"] == "query");
    let named = in_query.filter_map(|parameter| Some((parameter["name"].as_str()?, &parameter["schema"])));
    named.map(|(name, schema)| (name.to_owned(), schema.clone())).collect()
}

/// The members of the JSON of something that has `content`.
fn members(document: &Value, holder: &Value) -> Schemas {
    let schema = holder.pointer("/content/application~1json/schema");
    schema.map(|schema| properties(document, schema)).unwrap_or_default()
}

fn properties(document: &Value, schema: &Value) -> Schemas {
    let schema = resolve(document, schema);
    let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
    let mut found: Schemas = parts.flat_map(|part| properties(document, part)).collect();
    for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        found.insert(name.clone(), resolve(document, member).clone());
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Contract;

    #[test]
    fn members_are_found_behind_references_and_parameters_by_name() {
        let of = |name: &str| json!({ "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } } });
        let document = json!({
            "openapi": "3.1.0",
            "paths": { "/teams": { "post": {
                "operationId": "team-create", "x-permission": ["team:create"], "x-effect": "write",
                "x-visibility": "hidden", "requestBody": of("New"), "responses": { "201": of("Team"), "404": of("Problem") },
                "parameters": [{ "name": "limit", "in": "query", "schema": { "maximum": 100 } }],
            } } },
            "components": { "schemas": {
                "New": { "properties": { "name": { "type": "string" } } },
                "Team": { "allOf": [{ "$ref": "#/components/schemas/New" }, { "properties": { "id": { "type": "string" } } }] },
                "Problem": { "properties": { "title": { "type": "string" } } },
            } },
        });
        let contract = Contract::from_openapi(&document).unwrap();
        let operation = contract.get("team-create").unwrap();
        let names = |schemas: &super::Schemas| schemas.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&operation.asked), ["name"]);
        assert_eq!(names(&operation.answered), ["id", "name"]);
        assert_eq!(operation.query["limit"]["maximum"], Value::from(100));
    }
}
