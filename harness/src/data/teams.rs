//! Teams and who is in them.

use super::{Data, DataError, Tenant};
use crate::contract::SlotKind;
use crate::identity::Principal;

/// Creates teams.
#[derive(Clone, Copy, Debug)]
pub struct Teams<'d>(pub(super) &'d Data);

impl Teams<'_> {
    /// A new team, created by `creator`, whose name and description hold the canary. Returns its id.
    pub async fn create(&self, tenant: &Tenant, creator: &Principal) -> Result<String, DataError> {
        let data = self.0;
        let call = data
            .api
            .call("team-create")
            .as_(creator)
            .org(&tenant.org)
            .slot(SlotKind::Text, &tenant.text("team"));
        Ok(data.create(&tenant.key, &tenant.org, SlotKind::Team, call, "team-create").await?.0)
    }

    /// Adds a user of the organisation to a team, in the team role of the contract's example.
    pub async fn add_member(
        &self,
        tenant: &Tenant,
        adder: &Principal,
        team: &str,
        user: &str,
    ) -> Result<(), DataError> {
        let call = self.0.api.call("team-member-add").as_(adder).org(&tenant.org).team(team).user(user);
        call.send().await?.success(&self.0.system.contract)?;
        Ok(())
    }
}
