//! Invitations that are good no more, and how they came to that.

use std::time::Duration;

use harness::client::Call;
use harness::contract::{Contract, Operation};
use harness::exchange::Class;
use harness::identity::Principal;
use harness::verdict::Verdict;
use harness::wait;
use harness::world::Stop;

use super::{Invited, accept, impostor, invite, judged, state};
use crate::arena::Arena;
use crate::case::{Case, CaseOutcome};
use crate::standing::Loss;

/// How long a mail may take.
const MAIL_LIMIT: Duration = Duration::from_secs(5);

/// Why an invitation is good no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    Cancelled,
    Declined,
    Expired,
    Used,
    UsedByNamesake,
    Resent,
    /// The inviter lost the right to invite.
    Inviter(Loss),
}

impl Spent {
    /// Those that a contract has operations for.
    pub fn all(contract: &Contract) -> impl Iterator<Item = Spent> + '_ {
        let all = [
            Spent::Cancelled,
            Spent::Declined,
            Spent::Expired,
            Spent::Used,
            Spent::UsedByNamesake,
            Spent::Resent,
            Spent::Inviter(Loss::Unassigned),
            Spent::Inviter(Loss::Suspended),
            Spent::Inviter(Loss::Deleted),
        ];
        all.into_iter().filter(|spent| spent.needs().is_none_or(|needed| contract.get(needed).is_some()))
    }

    /// The operation that brings it about, where it is not the accepting one or time.
    fn needs(self) -> Option<&'static str> {
        Some(match self {
            Spent::Cancelled => "invitation-cancel",
            Spent::Declined => "invitation-decline",
            Spent::Resent => "invitation-resend",
            Spent::Used | Spent::Inviter(Loss::Unassigned) => "role-assignment-delete",
            Spent::Inviter(_) => "user-status-set",
            Spent::Expired | Spent::UsedByNamesake => return None,
        })
    }

    /// The word in paths.
    pub fn variant(self) -> &'static str {
        match self {
            Spent::Cancelled => "cancelled",
            Spent::Declined => "declined",
            Spent::Expired => "expired",
            Spent::Used => "used",
            Spent::UsedByNamesake => "used-by-namesake",
            Spent::Resent => "resent",
            Spent::Inviter(Loss::Suspended) => "inviter-suspended",
            Spent::Inviter(Loss::Deleted) => "inviter-deleted",
            Spent::Inviter(_) => "inviter-unassigned",
        }
    }

    /// What is accepted.
    pub fn what(self) -> &'static str {
        match self {
            Spent::Cancelled => "an invitation that was taken back",
            Spent::Declined => "an invitation that was declined",
            Spent::Expired => "an invitation that has expired",
            Spent::Used => "an invitation that was used, from whoever lost their role since",
            Spent::UsedByNamesake => "an invitation that another account has used",
            Spent::Resent => "the token of an invitation that was sent again with another",
            Spent::Inviter(_) => "an invitation whose sender may invite nobody any more",
        }
    }

    /// What that gains.
    pub fn gain(self) -> &'static str {
        match self {
            Spent::Cancelled | Spent::Declined | Spent::Expired => {
                "joins after the organisation changed its mind"
            }
            Spent::Used => "takes back what was taken away, with the invitation of the first day",
            Spent::UsedByNamesake => "joins with a link that somebody else has used",
            Spent::Resent => "joins with a link from a mail that had gone astray",
            Spent::Inviter(_) => "keeps letting people in after being dismissed",
        }
    }

    pub fn cwe(self) -> u32 {
        match self {
            Spent::Cancelled | Spent::Declined => 672,
            Spent::Expired | Spent::Resent => 613,
            Spent::Used | Spent::UsedByNamesake => 294,
            Spent::Inviter(_) => 863,
        }
    }

    pub fn asvs(self) -> &'static str {
        match self {
            Spent::Expired => "6.4.1",
            Spent::Inviter(_) => "8.3.2",
            _ => "6.5.1",
        }
    }

    /// Brings it about, and accepts as whoever might have accepted before.
    pub async fn run(self, arena: &Arena, operation: &Operation, case: Case) -> Result<CaseOutcome, Stop> {
        let inviter = match self {
            Spent::Inviter(loss) => loss.person(arena).await?,
            _ => arena.acme.admin.clone(),
        };
        let Invited { invitation, role } = invite(arena, &inviter).await?;
        let invitee = arena.data().invitations().accepted(&arena.acme.tenant, &invitation);
        let (mut who, mut token) = (invitee.clone(), invitation.token.clone());
        let by = |name: &str, who: &Principal| {
            let call = arena.api.call(name).as_(who).org(&arena.acme.tenant.org).class(Class::Control);
            call.invitation(&invitation.id).invitation_token(&invitation.token)
        };
        match self {
            Spent::Cancelled => must(by("invitation-cancel", &arena.acme.admin)).await?,
            Spent::Declined => must(by("invitation-decline", &Principal::anonymous())).await?,
            Spent::Expired => {
                arena.data().invitations().expire(&arena.acme.tenant, &invitation.id).await?;
            }
            Spent::Used | Spent::UsedByNamesake => {
                let first = accept(arena, operation, &invitee, &invitation.token).await?;
                if !(200..300).contains(&first.status) {
                    let why = format!("control failed: the invitee gets status {}", first.status);
                    return Ok(case.without_result(Verdict::Error, &why));
                }
                if self == Spent::Used {
                    let take = by("role-assignment-delete", &arena.acme.admin);
                    must(take.user(&invitee.subject).role(&role)).await?;
                } else {
                    who = impostor::namesake(arena, &invitation.invitee)?;
                }
            }
            Spent::Resent => {
                must(by("invitation-resend", &arena.acme.admin)).await?;
                token = newest(arena, &invitation.invitee.email).await?;
                if token == invitation.token {
                    let target = &arena.system.target.name;
                    let observed = "the same token in both mails";
                    return Ok(case.failed(target, "another token in the second mail", observed, Vec::new()));
                }
            }
            Spent::Inviter(loss) => loss.bring_about(arena, &inviter).await?,
        }
        let before = state(arena, operation).await?;
        let attacked = accept(arena, operation, &who, &invitation.token).await?;
        let changes = before.changes(&state(arena, operation).await?);
        let outcome = judged(arena, operation, case, attacked, &changes);
        if self == Spent::Resent && outcome.finding.is_none() {
            // The token that came instead must work, or the old one's refusal means nothing.
            let control = accept(arena, operation, &invitee, &token).await?;
            if !(200..300).contains(&control.status) {
                let why = format!("control failed: the new token gets status {}", control.status);
                return Ok(outcome.case.without_result(Verdict::Error, &why));
            }
        }
        Ok(outcome)
    }
}

/// The token of the second mail to an address.
async fn newest(arena: &Arena, email: &str) -> Result<String, Stop> {
    let mailbox = arena.system.stand_ins.mail.as_ref();
    wait::until("the mail that was sent again", MAIL_LIMIT, || async {
        let mails = mailbox.map(|mailbox| mailbox.to(email).len()).unwrap_or_default();
        if mails > 1 { Ok(()) } else { Err(format!("{mails} mails")) }
    })
    .await?;
    Ok(arena.data().invitations().token(&arena.acme.tenant, email).await?)
}

async fn must(call: Call) -> Result<(), Stop> {
    let answer = call.send().await?;
    if (200..300).contains(&answer.status) {
        return Ok(());
    }
    let why = answer.unexpected("2xx, so that the invitation is good no more", &answer.status.to_string());
    Err(Stop::error(why.to_string()))
}
