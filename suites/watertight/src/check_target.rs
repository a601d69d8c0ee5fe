//! `check-target`: what would be tested, what not, and why, before anything is.

use std::path::Path;

use comfy_table::{Table, presets};
use harness::contract::{Effect, Operation};
use harness::system::System;
use harness::target::Capability;
use harness::verdict::Exit;
use suites_security::cast::Cast;
use suites_security::rehearsal::{Rehearsed, rehearse};
use suites_security::{Group, Plan};

use crate::error::CommandError;
use crate::security::must_waive_something;
use crate::session::Session;

/// Every capability, and what is not tested without it.
const CAPABILITIES: [(Capability, &str); 7] = [
    (Capability::Provision, "nothing that needs an organisation of its own"),
    (Capability::Mint, "no forged tokens: what the harness cannot sign it cannot forge"),
    (Capability::Store, "state is compared by reading as its owner, not in the store"),
    (Capability::Mail, "no invitations whose token travels by mail"),
    (Capability::Archive, "no archive, no exports"),
    (Capability::Lambda, "no authorizer, no functions"),
    (Capability::Audit, "no audit log"),
];

pub async fn check_target(target: Option<&Path>, rehearsed: bool) -> Result<Exit, CommandError> {
    let session = Session::open(target).await?;
    let mut exit = Exit::Pass;
    for system in session.systems().await? {
        let plan = Plan::of(&system);
        must_waive_something(&system, &plan)?;
        println!("\n{}\n{}", system.target.name, what_would_be_tested(&system, &plan));
        println!("\nnot tested, and why\n{}", what_would_not(&system));
        for route in &system.contract.unannotated {
            println!("not annotated: {route}");
            exit = Exit::Findings;
        }
        if rehearsed {
            let outcomes = rehearse(&system).await.map_err(|stop| CommandError::Nothing(stop.reason))?;
            println!("\nevery operation once, as its rightful caller\n{}", told(&system, &outcomes));
            if outcomes.iter().any(|rehearsed| rehearsed.outcome.is_err()) {
                exit = Exit::Findings;
            }
        }
    }
    session.discard();
    Ok(exit)
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

fn what_would_be_tested(system: &System, plan: &Plan) -> Table {
    let effect = |effect| {
        system.contract.operations().filter(|operation| operation.effect == effect).count().to_string()
    };
    let of_class = |class: &str| {
        let of = |group: &&Group| group.path.split('/').next() == Some(class);
        let checks: usize = plan.groups.iter().filter(of).map(|group| group.cases.len()).sum();
        format!("{class} {checks}")
    };
    let capabilities: Vec<&str> =
        CAPABILITIES.iter().filter(|(can, _)| system.target.can(*can)).map(|(can, _)| can.as_str()).collect();
    let personas = Cast::of(system).personas.iter().map(|persona| persona.label()).collect::<Vec<_>>();
    let mut table = table();
    table.add_row(["capabilities", &capabilities.join(", ")]);
    table.add_row([
        "reads, writes, consumes",
        &[effect(Effect::Read), effect(Effect::Write), effect(Effect::Consume)].join(", "),
    ]);
    table.add_row(["principals", &personas.join(", ")]);
    let classes = ["matrix", "hop", "rank", "token"].map(of_class).join(", ");
    table.add_row(["security checks", &format!("{}: {classes}", plan.cases())]);
    table.add_row([
        "hostile requests",
        if system.target.consents() { "permitted" } else { "not permitted: name the host under `consent`" },
    ]);
    table
}

fn what_would_not(system: &System) -> Table {
    let mut table = table();
    for (capability, without) in CAPABILITIES.iter().filter(|(can, _)| !system.target.can(*can)) {
        table.add_row([format!("capability {capability}"), (*without).to_owned()]);
    }
    for (persona, why) in Cast::of(system).absent {
        table.add_row([format!("principal {}", persona.label()), why.to_owned()]);
    }
    for waiver in &system.target.waived {
        table.add_row([format!("checks {}", waiver.checks), format!("waived: {}", waiver.reason)]);
    }
    for operation in &system.contract.absent {
        table.add_row([format!("operation {}", operation.name), not_served(operation)]);
    }
    for operation in
        system.contract.operations().filter(|operation| operation.naming_slots().next().is_none())
    {
        let why = "names nothing of a tenant: no hops, only who may call it".to_owned();
        table.add_row([format!("hops of {}", operation.name), why]);
    }
    table
}

fn not_served(operation: &Operation) -> String {
    format!("{} {} answers like a path that nobody has", operation.method, operation.path)
}

fn told(system: &System, outcomes: &[Rehearsed]) -> Table {
    let mut table = table();
    for Rehearsed { operation, outcome } in outcomes {
        match outcome {
            Ok(status) => table.add_row([operation.clone(), "served".to_owned(), status.to_string()]),
            Err(rejected) => {
                table.add_row([operation.clone(), rejected.verdict.to_string(), rejected.reason.clone()])
            }
        };
    }
    for operation in &system.contract.absent {
        let why = format!("{}: mistyped, or not in this deployment", not_served(operation));
        table.add_row([operation.name.clone(), "not served".to_owned(), why]);
    }
    table
}
