//! Roles of organisations: the predefined ones and custom ones.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Data, DataError, Tenant};
use crate::contract::SlotKind;
use crate::identity::Principal;
use crate::stores::Key;

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
        for item in answer.items()? {
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

    /// A new custom role with one permission, wherever the contract has the place for it.
    pub async fn create_holding(
        &self,
        tenant: &Tenant,
        creator: &Principal,
        permission: &str,
    ) -> Result<String, DataError> {
        let data = self.0;
        let call = data.api.call("role-create").as_(creator).org(&tenant.org);
        let call = call.slot(SlotKind::Text, &tenant.text("role")).slot(SlotKind::Permission, permission);
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

    /// Makes an assignment INACTIVE: in the store, for no operation does. The membership's `version` counts it,
    /// as it counts every change of what a user may do.
    pub async fn deactivate_assignment(
        &self,
        tenant: &Tenant,
        user: &str,
        role: &str,
    ) -> Result<(), DataError> {
        let table = self.0.table()?;
        let partition = format!("USER#{user}#ORG#{}", tenant.org);
        let assignment = Key { partition: partition.clone(), sort: format!("ROLE#{role}") };
        table.update(&assignment, &[("status", "INACTIVE")], &[]).await?;
        let membership = Key { partition, sort: "MEMBERSHIP".to_owned() };
        Ok(table.update(&membership, &[], &[("version", 1)]).await?)
    }
}
