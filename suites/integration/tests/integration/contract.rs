//! The contract the target publishes, and that its answers keep to it.

use rstest::{Context, rstest};

use crate::world;
use harness::world::Stop;

#[rstest]
fn every_route_says_what_it_is(#[context] context: Context) {
    world(&context).tell(async |world| {
        let lacking: Vec<String> =
            world.system.contract.unannotated.iter().map(ToString::to_string).collect();
        world.must(lacking.is_empty(), format!("annotations on every route: {}", lacking.join("; ")))
    });
}

#[rstest]
fn an_answer_to_a_stranger_has_a_documented_status_and_a_problem_body(#[context] context: Context) {
    world(&context).tell(async |world| {
        let globex = world.data.organisations().create("globex").await?;
        let stranger = world.data.users().stranger("stranger")?;
        let nobody = "00000000-0000-4000-8000-000000000000";
        let mut asked = 0;
        for operation in world.system.contract.operations().filter(|operation| operation.needs_token()) {
            let call = operation
                .naming_slots()
                .fold(world.api.call(&operation.name).as_(&stranger), |call, slot| {
                    call.at(&slot.place, nobody)
                });
            let call = call.org(&globex.org).slot(harness::contract::SlotKind::Text, "words");
            let call = call.slot(harness::contract::SlotKind::Email, &stranger.email);
            let answer = call.send().await?;
            asked += 1;
            if !operation.statuses.contains(&answer.status) {
                let documented = format!("one of the documented {:?}", operation.statuses);
                return Err(answer.unexpected(&documented, &answer.status.to_string()).into());
            }
            if answer.status >= 400 {
                let problem = answer.header("content-type").starts_with("application/problem+json");
                world.must(
                    problem,
                    format!("a problem document for {}, found {}", operation.name, answer.body),
                )?;
                let status = answer.json()["status"].as_u64();
                world.must(status == Some(u64::from(answer.status)), "whose status is the answer's")?;
            }
        }
        if asked == 0 { Err(Stop::error("the contract has no operation that needs a token")) } else { Ok(()) }
    });
}
