//! Organisations: the tenants themselves.

use super::{Data, DataError, Tenant, fresh_key};
use crate::contract::SlotKind;

/// Creates organisations.
#[derive(Clone, Copy, Debug)]
pub struct Organisations<'d>(pub(super) &'d Data);

impl Organisations<'_> {
    /// A new organisation whose name holds its canary.
    pub async fn create(&self, name: &str) -> Result<Tenant, DataError> {
        let data = self.0;
        let admin = data.platform_admin()?;
        let key = fresh_key();
        let name = format!("{name} {key}");
        let call = data.api.call("org-create").as_(&admin).slot(SlotKind::Text, &name);
        let call = call.slot(SlotKind::Slug, &format!("t-{key}"));
        let (org, _) = data.create(&key, "", SlotKind::Org, call, "org-create").await?;
        Ok(Tenant { key, org, name })
    }
}
