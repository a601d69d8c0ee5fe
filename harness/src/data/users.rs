//! Users of organisations, and the principals they sign in as.

use uuid::Uuid;

use super::{Data, DataError, Made, Tenant, fresh_email, fresh_key};
use crate::client::Call;
use crate::contract::SlotKind;
use crate::identity::Principal;
use crate::leak::Entitlement;
use crate::target::{Capability, Resident};

/// Makes a user of an organisation.
const AS_USER: &str = "user-create";
/// Makes a member of an organisation, where users come from the identity provider.
const AS_MEMBER: &str = "member-add";

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

    /// A new user who may do everything in an organisation, signed in.
    pub async fn administrator(&self, tenant: &Tenant, label: &str) -> Result<Principal, DataError> {
        let role = self.0.system.target.vocabulary.admin_role.clone();
        self.create(tenant, label, Some(&role)).await
    }

    /// The operation by which a person gets into an organisation.
    fn operation(self) -> &'static str {
        if self.0.system.contract.get(AS_USER).is_none() { AS_MEMBER } else { AS_USER }
    }

    /// Somebody the target does not know yet, signed in: belongs to no tenant.
    pub fn stranger(&self, label: &str) -> Result<Principal, DataError> {
        let issuer = self.0.system.stand_ins.issuer.as_ref().ok_or(DataError::Lacks(Capability::Mint))?;
        let subject = Uuid::new_v4().to_string();
        if self.operation() == AS_MEMBER {
            // Whoever shows a token of the identity provider becomes a user, of no tenant: nobody's secret.
            let (kind, org) = (SlotKind::User, String::new());
            let entry = self.0.ledger.creating(kind, &fresh_key(), &org)?;
            self.0.ledger.created(entry, &subject, &org)?;
            self.0.remember(Made { entry, kind, org, id: subject.clone() });
        }
        Ok(Principal::minted(label, issuer, &subject, &fresh_email(label), Entitlement::none()))
    }

    /// The user of a tenant that is there, signed in.
    pub fn resident(
        &self,
        tenant: &Tenant,
        resident: &Resident,
        label: &str,
    ) -> Result<Principal, DataError> {
        let issuer = self.0.system.stand_ins.issuer.as_ref().ok_or(DataError::Lacks(Capability::Mint))?;
        let entitlement = Entitlement::of(&tenant.key);
        Ok(Principal::minted(label, issuer, &resident.user, &fresh_email(label), entitlement))
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
        let operation = self.operation();
        let mut call = data
            .api
            .call(operation)
            .as_(&admin)
            .org(&tenant.org)
            .user(&person.subject)
            .slot(SlotKind::Email, &person.email)
            .slot(SlotKind::Text, &tenant.text(&person.label));
        // Without a role the place is left out: the contract's example names one. Where there must be one, it is that.
        call = match role {
            Some(role) => call.slot(SlotKind::PlatformRole, role),
            None => data.optional_places(operation, SlotKind::PlatformRole).iter().fold(call, Call::without),
        };
        data.create(&tenant.key, &tenant.org, SlotKind::User, call, operation).await?;
        Ok(Principal { entitlement: person.entitlement.clone().and(&tenant.key), ..person.clone() })
    }
}
