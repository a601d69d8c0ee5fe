//! Roles of organisations: the predefined ones and custom ones.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Data, DataError, Tenant};
use crate::contract::SlotKind;
use crate::identity::Principal;

/// Finds and creates roles.
#[derive(Clone, Copy, Debug)]
pub struct Roles<'d>(pub(super) &'d Data);

impl Roles<'_> {
    /// The ids of the roles an organisation has, by name, as `reader` sees them.
    pub async fn by_name(
        &self,
        tenant: &Tenant,
        reader: &Principal,
    ) -> Result<BTreeMap<String, String>, DataError> {
        let data = self.0;
        let call = data.api.call("role-list").as_(reader).org(&tenant.org).query("limit", &100);
        let answer = call.send().await?.expect(200)?;
        let mut roles = BTreeMap::new();
        for item in answer.array_at("/items")? {
            if let (Some(Value::String(name)), Some(Value::String(id))) = (item.get("name"), item.get("id")) {
                data.system.leaks.learn(&tenant.key, SlotKind::Role.as_str(), id);
                roles.insert(name.clone(), id.clone());
            }
        }
        Ok(roles)
    }

    /// A new custom role with the permissions of the contract's example, and the canary in its text.
    pub async fn create(&self, tenant: &Tenant, creator: &Principal) -> Result<String, DataError> {
        let data = self.0;
        let call = data
            .api
            .call("role-create")
            .as_(creator)
            .org(&tenant.org)
            .slot(SlotKind::Text, &tenant.text("role"));
        Ok(data.create(&tenant.key, &tenant.org, SlotKind::Role, call, "role-create").await?.0)
    }

    /// A new custom role with exactly these permissions.
    pub async fn create_with(
        &self,
        tenant: &Tenant,
        creator: &Principal,
        permissions: &[&str],
    ) -> Result<String, DataError> {
        let data = self.0;
        let body = serde_json::json!({ "name": tenant.text("role"), "permissions": permissions });
        let call = data.api.call("role-create").as_(creator).org(&tenant.org).json(body);
        Ok(data.create(&tenant.key, &tenant.org, SlotKind::Role, call, "role-create").await?.0)
    }
}
