//! Which roles of a target file may what: said by name, and held as a permission that stands for being named.

use super::{Contract, ContractError, Operation, Permission};

/// The permission that stands for being named in `x-roles` of an operation.
pub(super) fn permission_of_roles(operation: &str) -> String {
    format!("operation:{operation}")
}

impl Contract {
    /// What a role may: whatever operations name it.
    pub fn permissions_of(&self, role: &str) -> Vec<String> {
        let named = self.operations().filter(|operation| operation.roles.iter().any(|named| named == role));
        named.map(|operation| permission_of_roles(&operation.name)).collect()
    }

    /// Holds the contract against the roles of a target file: a word that none of them answers to would be a right that
    /// nobody has, and whoever uses it a finding.
    pub(crate) fn check_roles(&self, roles: &[String]) -> Result<(), ContractError> {
        let problems: Vec<String> = self
            .operations()
            .flat_map(|operation| strange_roles(operation, roles).chain(unheld(operation, roles)))
            .collect();
        if problems.is_empty() { Ok(()) } else { Err(ContractError::Malformed(problems)) }
    }
}

/// The roles of a target file, for messages.
pub(super) fn known(roles: &[String]) -> String {
    if roles.is_empty() { "none".to_owned() } else { roles.join(", ") }
}

fn strange_roles(operation: &Operation, roles: &[String]) -> impl Iterator<Item = String> {
    let strange = operation.roles.iter().filter(|role| !roles.contains(role));
    strange.map(|role| {
        format!(
            "operation {}: x-roles names {role}, which is no role of vocabulary.roles in the target file (known: {}); \
             add it there",
            operation.name,
            known(roles)
        )
    })
}

/// Without roles in the target file, the roles are those of a ladder that the suite has of the system.
fn unheld(operation: &Operation, roles: &[String]) -> impl Iterator<Item = String> {
    let own = (!operation.roles.is_empty()).then(|| permission_of_roles(&operation.name));
    let named = operation.permission.iter().filter_map(|permission| match permission {
        Permission::Named(word) => Some(word),
        _ => None,
    });
    let unheld = named.filter(move |word| !roles.is_empty() && Some(*word) != own.as_ref());
    unheld.map(|word| {
        let name = &operation.name;
        format!(
            "operation {name}: x-permission holds {word}, which no role of vocabulary.roles has; say who may with x-roles \
             (known: {}), or with `roles` in [operations.{name}] of the target file",
            known(roles)
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Binding, Contract, Permission, bound};

    fn document(who: &Value) -> Value {
        let mut operation = json!({
            "operationId": "document-get", "x-effect": "read", "x-visibility": "hidden",
            "x-slot": { "path/orgId": "org" }
        });
        operation.as_object_mut().unwrap().extend(who.as_object().unwrap().clone());
        let paths = json!({ "/orgs/{orgId}/document": { "get": operation } });
        json!({ "openapi": "3.1.0", "paths": paths })
    }

    fn contract(who: &Value) -> Contract {
        Contract::from_openapi(&document(who)).unwrap()
    }

    fn roles() -> Vec<String> {
        ["owner", "reader"].map(str::to_owned).to_vec()
    }

    #[test]
    fn who_is_named_may_and_nobody_else() {
        let contract = contract(&json!({ "x-roles": ["reader"], "x-permission": ["self"] }));
        contract.check_roles(&roles()).unwrap();
        assert_eq!(contract.permissions_of("reader"), ["operation:document-get"]);
        assert!(contract.permissions_of("owner").is_empty());
        let operation = contract.get("document-get").unwrap();
        assert!(operation.allows(&Permission::SelfUser));
        assert!(operation.allows(&Permission::Named("operation:document-get".to_owned())));
    }

    #[test]
    fn a_role_that_the_target_file_lacks_is_named_with_its_operation_and_the_remedy() {
        let contract = contract(&json!({ "x-roles": ["owner", "boss"] }));
        let error = contract.check_roles(&roles()).unwrap_err().to_string();
        for word in ["operation document-get", "x-roles names boss", "known: owner, reader", "add it there"] {
            assert!(error.contains(word), "'{word}' is missing in: {error}");
        }
        assert!(contract.check_roles(&[]).unwrap_err().to_string().contains("known: none"));
    }

    #[test]
    fn a_permission_that_no_role_holds_is_refused_where_the_target_file_names_roles() {
        let contract = contract(&json!({ "x-permission": ["document:read", "platform:manage"] }));
        let error = contract.check_roles(&roles()).unwrap_err().to_string();
        for word in ["operation document-get", "holds document:read", "x-roles", "[operations.document-get]"]
        {
            assert!(error.contains(word), "'{word}' is missing in: {error}");
        }
        assert!(!error.contains("platform:manage"), "{error}");
        contract.check_roles(&[]).unwrap();
    }

    #[test]
    fn who_may_by_a_binding_takes_the_place_of_whoever_may_by_the_document() {
        let bound_as = |binding: Binding| {
            let document = document(&json!({ "x-permission": ["document:read"], "x-roles": ["reader"] }));
            let bindings = [("document-get".to_owned(), binding)].into();
            Contract::from_openapi(&bound(document, &bindings, &roles()).unwrap()).unwrap()
        };
        let contract = bound_as(Binding { roles: vec!["owner".to_owned()], ..Binding::default() });
        contract.check_roles(&roles()).unwrap();
        assert_eq!(contract.permissions_of("owner"), ["operation:document-get"]);
        assert!(contract.permissions_of("reader").is_empty());
        let silent = bound_as(Binding::default());
        assert!(silent.check_roles(&roles()).is_err(), "what the binding does not say is the document's");
    }
}
