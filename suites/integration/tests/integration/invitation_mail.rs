//! The mail that carries an invitation: to whom, from whom, what it says, how often it is sent.

use rstest::{Context, rstest};
use serde_json::json;

use crate::world;
use harness::data::fresh_email;
use harness::world::Stop;
use suites_integration::{Company, Gives as _};

#[rstest]
fn it_names_the_organisation_and_carries_the_message_and_the_link(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitee = world.data.users().stranger("invitee")?;
        let message = acme.tenant.text("welcome");
        let viewer = acme.predefined("SITE_VIEWER").await?;
        let body = json!({ "email": invitee.email, "roleId": viewer, "message": message });
        let invitation = acme.invitation(&acme.admin, invitee, body).await?;

        let mail = world.mailbox()?.newest(&invitation.invitee.email).await?;
        world.must(mail.from.contains('@'), format!("a sender, found '{}'", mail.from))?;
        world.must(
            mail.subject.contains(&acme.tenant.name),
            format!("whose it is, found '{}'", mail.subject),
        )?;
        for part in [&acme.tenant.name, &message, &format!("/{}", invitation.token)] {
            world.must(mail.text.contains(part), format!("'{part}' in the mail, found '{}'", mail.text))?;
        }
        world.must(!mail.subject.contains(&invitation.token), "the token stands in the text alone")
    });
}

#[rstest]
fn it_goes_once_to_the_invited_address_alone(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;

        let mailbox = world.mailbox()?;
        world.equal("mails to the invitee", mailbox.to(&invitation.invitee.email).len(), 1)?;
        world.equal("mails to the inviter", mailbox.to(&acme.admin.email).len(), 0)
    });
}

#[rstest]
fn each_resend_is_one_mail_more(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        let sent = || Ok::<_, Stop>(world.mailbox()?.to(&invitation.invitee.email).len());

        for resends in 1..=3 {
            acme.on("invitation-resend", &invitation).gives(200).await?;
            world.equal("mails so far", sent()?, 1 + resends)?;
        }
        acme.on("invitation-resend", &invitation).gives(409).await?;
        world.equal("mails after a refused resend", sent()?, 4)
    });
}

#[rstest]
fn a_resend_repeats_the_message_with_another_link(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        acme.on("invitation-resend", &invitation).gives(200).await?;

        let mails = world.mailbox()?.to(&invitation.invitee.email);
        world.equal("mails", mails.len(), 2)?;
        world.equal("subjects", &mails[1].subject, &mails[0].subject)?;
        world.must(mails[0].token() != mails[1].token(), "another link than the first")
    });
}

#[rstest]
fn cancelling_sends_none(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitation = acme.invite("SITE_VIEWER").await?;
        acme.on("invitation-cancel", &invitation).gives(200).await?;
        world.equal("mails", world.mailbox()?.to(&invitation.invitee.email).len(), 1)
    });
}

#[rstest]
#[case::header_lines("Bcc: VICTIM\nSubject: You won\n\nBcc: VICTIM")]
#[case::markup("<script>alert(1)</script> <img src=x> &amp; {{name}}")]
fn a_message_is_text_and_nothing_else(#[context] context: Context, #[case] message: &str) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let invitee = world.data.users().stranger("invitee")?;
        let victim = fresh_email("victim");
        let message = message.replace("VICTIM", &victim);
        let viewer = acme.predefined("SITE_VIEWER").await?;
        let body = json!({ "email": invitee.email, "roleId": viewer, "message": message });
        let invitation = acme.invitation(&acme.admin, invitee, body).await?;

        let mail = world.mailbox()?.newest(&invitation.invitee.email).await?;
        world.must(
            mail.text.contains(&message),
            format!("the message to the letter, found '{}'", mail.text),
        )?;
        world.must(
            mail.subject.contains(&acme.tenant.name),
            format!("its own subject, found '{}'", mail.subject),
        )?;
        world.equal("mails to the address in the message", world.mailbox()?.to(&victim).len(), 0)
    });
}

#[rstest]
#[case::line_break("a@watertight.invalid\r\nBcc: VICTIM")]
#[case::two_addresses("a@watertight.invalid,VICTIM")]
#[case::named("VICTIM <VICTIM>")]
#[case::blank("a b@watertight.invalid")]
#[case::no_domain("ann")]
#[case::empty("")]
fn what_is_not_one_plain_address_is_refused_and_gets_no_mail(
    #[context] context: Context,
    #[case] address: &str,
) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let victim = fresh_email("victim");
        let address = address.replace("VICTIM", &victim);
        let body = json!({ "email": address, "roleId": acme.predefined("SITE_VIEWER").await? });

        let refused = acme.admin("invitation-create").json(body).gives(422).await?;

        world.equal("the place of the fault", refused.text_at("/errors/0/pointer")?.as_str(), "/email")?;
        world.equal("mails", world.mailbox()?.to(&victim).len() + world.mailbox()?.to(&address).len(), 0)
    });
}

#[rstest]
fn an_invitation_that_is_refused_sends_none(#[context] context: Context) {
    world(&context).tell(async |world| {
        let acme = Company::found(world, "acme").await?;
        let viewer = acme.user("SITE_VIEWER").await?;
        let address = fresh_email("invitee");
        let body = json!({ "email": address, "roleId": acme.predefined("SITE_VIEWER").await? });

        acme.by(&viewer, "invitation-create").json(body).gives(403).await?;
        world.equal("mails", world.mailbox()?.to(&address).len(), 0)
    });
}
