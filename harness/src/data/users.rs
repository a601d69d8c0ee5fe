//! Users of organisations, and the principals they sign in as.

use uuid::Uuid;

use super::{Data, DataError, Tenant, fresh_email};
use crate::client::Call;
use crate::contract::SlotKind;
use crate::identity::Principal;
use crate::leak::Entitlement;
use crate::target::Capability;

/// Creates users.
#[derive(Clone, Copy, Debug)]
pub struct Users<'d>(pub(super) &'d Data);

impl Users<'_> {
    /// A new user of an organisation, with a role given by its id or predefined name, signed in.
    pub async fn create(
        &self,
        tenant: &Tenant,
        label: &str,
        role: Option<&str>,
    ) -> Result<Principal, DataError> {
        let person = self.stranger(label)?;
        self.join(tenant, &person, role).await
    }

    /// Somebody the target does not know yet, signed in: belongs to no tenant.
    pub fn stranger(&self, label: &str) -> Result<Principal, DataError> {
        let issuer = self.0.system.stand_ins.issuer.as_ref().ok_or(DataError::Lacks(Capability::Mint))?;
        let subject = Uuid::new_v4().to_string();
        Ok(Principal::minted(label, issuer, &subject, &fresh_email(label), Entitlement::none()))
    }

    /// Makes a person a user of one more organisation. The principal returned may see that one too.
    pub async fn join(
        &self,
        tenant: &Tenant,
        person: &Principal,
        role: Option<&str>,
    ) -> Result<Principal, DataError> {
        let data = self.0;
        let admin = data.platform_admin()?;
        let mut call = data
            .api
            .call("user-create")
            .as_(&admin)
            .org(&tenant.org)
            .user(&person.subject)
            .slot(SlotKind::Email, &person.email)
            .slot(SlotKind::Text, &tenant.text(&person.label));
        // Without a role the place is left out: the contract's example names one.
        call = match role {
            Some(role) => call.slot(SlotKind::PlatformRole, role),
            None => data.places("user-create", SlotKind::PlatformRole).iter().fold(call, Call::without),
        };
        data.create(&tenant.key, &tenant.org, SlotKind::User, call, "user-create").await?;
        Ok(Principal { entitlement: person.entitlement.clone().and(&tenant.key), ..person.clone() })
    }
}
