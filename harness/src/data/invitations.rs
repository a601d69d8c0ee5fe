//! Invitations, and the secret token their mail carries.

use super::{Data, DataError, Tenant};
use crate::contract::{Operation, SlotKind};
use crate::identity::Principal;
use crate::leak::Entitlement;
use crate::stores::Key;
use crate::target::Capability;

/// When an expired invitation expired, in the form of constant width that access-service stores.
const LONG_AGO: &str = "2020-01-01T00:00:00.000000Z";

/// Makes an invitation.
const CREATE: &str = "invitation-create";

/// What lets an invitee accept.
enum Carrier {
    /// A token in the answer to whoever invites.
    Answer,
    /// A token in a mail.
    Mail,
    /// The invitation's id: there is no token.
    Id,
}

/// An invitation the harness made.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Its id.
    pub id: String,
    /// The token of its mail.
    pub token: String,
    /// Whoever was invited, signed in with the invited e-mail. Belongs to no tenant yet.
    pub invitee: Principal,
}

/// Creates invitations.
#[derive(Clone, Copy, Debug)]
pub struct Invitations<'d>(pub(super) &'d Data);

impl Invitations<'_> {
    /// The role that somebody is invited into: a new one where invitations name one. Where people are invited into
    /// predefined roles it is that of the contract's example, and nothing is made.
    pub async fn role(&self, tenant: &Tenant, admin: &Principal) -> Result<String, DataError> {
        let create = self.0.api.contract().get(CREATE);
        let names_one =
            create.is_some_and(|create| create.slots.iter().any(|slot| slot.kind == SlotKind::Role));
        if names_one { self.0.roles().create(tenant, admin).await } else { Ok(String::new()) }
    }

    /// A new invitation of a stranger into a role and a team, and its token from the mail.
    pub async fn create(
        &self,
        tenant: &Tenant,
        inviter: &Principal,
        role: &str,
        team: Option<&str>,
    ) -> Result<Invitation, DataError> {
        let data = self.0;
        let invitee = data.users().person("invitee").await?;
        let mut call = data
            .api
            .call(CREATE)
            .as_(inviter)
            .org(&tenant.org)
            .role(role)
            .slot(SlotKind::Email, &invitee.email)
            .slot(SlotKind::Text, &tenant.text("welcome"));
        if let Some(team) = team {
            call = call.team(team);
        }
        let (id, answer) = data.create(&tenant.key, &tenant.org, SlotKind::Invitation, call, CREATE).await?;
        let token = match self.carrier() {
            Carrier::Answer => data.created_id(CREATE, SlotKind::InvitationToken, &answer)?,
            Carrier::Mail => self.token(tenant, &invitee.email).await?,
            Carrier::Id => id.clone(),
        };
        // Who was invited may see who invited; a token is a pass to that, an id is none.
        let invitee = match self.carrier() {
            Carrier::Mail => invitee,
            Carrier::Answer | Carrier::Id => {
                Principal { entitlement: invitee.entitlement.clone().and(&tenant.key), ..invitee }
            }
        };
        Ok(Invitation { id, token, invitee })
    }

    /// What lets an invitee accept, as far as the contract tells.
    fn carrier(self) -> Carrier {
        let contract = &self.0.system.contract;
        let names =
            |operation: &Operation| operation.slots.iter().any(|slot| slot.kind == SlotKind::InvitationToken);
        match contract.get(CREATE) {
            Some(create) if create.created(SlotKind::InvitationToken).is_some() => Carrier::Answer,
            _ if contract.operations().any(names) => Carrier::Mail,
            _ => Carrier::Id,
        }
    }

    /// The token of the newest invitation mail to an address. Whoever sends it may see the tenant's public
    /// side, which the leak detector must know.
    pub async fn token(&self, tenant: &Tenant, email: &str) -> Result<String, DataError> {
        let system = &self.0.system;
        let mailbox = system.stand_ins.mail.as_ref().ok_or(DataError::Lacks(Capability::Mail))?;
        let mail = mailbox.newest(email).await?;
        let token = mail.token().ok_or_else(|| DataError::NoLink(email.to_owned()))?;
        system.leaks.learn_pass(&tenant.key, token);
        Ok(token.to_owned())
    }

    /// Lets an invitation's time run out: in the store, for nobody waits a day.
    pub async fn expire(&self, tenant: &Tenant, invitation: &str) -> Result<(), DataError> {
        let key = Key { partition: format!("ORG#{}", tenant.org), sort: format!("INVITATION#{invitation}") };
        Ok(self.0.table()?.update(&key, &[("expiresAt", LONG_AGO)], &[]).await?)
    }

    /// The principal an invitee becomes by accepting.
    pub fn accepted(&self, tenant: &Tenant, invitation: &Invitation) -> Principal {
        Principal { entitlement: Entitlement::of(&tenant.key), ..invitation.invitee.clone() }
    }
}
