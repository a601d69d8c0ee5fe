//! Which acts may come next: the model as proptest drives it.

use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::ReferenceStateMachine;

use super::rules::{Act, BUNDLES, Person, Role, Rules};

/// The model as proptest drives it.
#[derive(Debug)]
pub struct Model;

impl ReferenceStateMachine for Model {
    type State = Rules;
    type Transition = Act;

    fn init_state() -> BoxedStrategy<Rules> {
        Just(Rules::at_first()).boxed()
    }

    fn transitions(rules: &Rules) -> BoxedStrategy<Act> {
        let person = || select(Person::ALL.to_vec());
        // Mostly those who may: a sequence of refusals leads nowhere.
        let by = || prop_oneof![4 => Just(Person::Admin), 3 => person()];
        let inside = || select(Person::ALL[..4].to_vec());
        let bundle = || 0..BUNDLES.len();
        let mut roles: Vec<Role> = Role::PREDEFINED.to_vec();
        roles.extend((0..rules.roles()).map(Role::Custom));
        let role = move || select(roles.clone());
        let mut acts = vec![
            (2, by().prop_map(|by| Act::CreateTeam { by }).boxed()),
            (2, (by(), bundle()).prop_map(|(by, bundle)| Act::CreateRole { by, bundle }).boxed()),
            (4, (by(), person(), role()).prop_map(|(by, who, role)| Act::Assign { by, who, role }).boxed()),
            (3, (by(), person(), role()).prop_map(|(by, who, role)| Act::Unassign { by, who, role }).boxed()),
            (2, (inside(), any::<bool>()).prop_map(|(who, active)| Act::SetStatus { who, active }).boxed()),
        ];
        if !rules.teams() == 0 {
            let team = || 0..rules.teams();
            acts.extend([
                (1, (by(), team()).prop_map(|(by, team)| Act::DeleteTeam { by, team }).boxed()),
                (
                    3,
                    (by(), team(), person())
                        .prop_map(|(by, team, who)| Act::AddMember { by, team, who })
                        .boxed(),
                ),
                (
                    2,
                    (by(), team(), person())
                        .prop_map(|(by, team, who)| Act::RemoveMember { by, team, who })
                        .boxed(),
                ),
            ]);
        }
        if !rules.roles() == 0 {
            let role = || 0..rules.roles();
            acts.extend([
                (
                    2,
                    (by(), role(), any::<bool>())
                        .prop_map(|(by, role, active)| Act::SwitchRole { by, role, active })
                        .boxed(),
                ),
                (
                    2,
                    (by(), role(), bundle())
                        .prop_map(|(by, role, bundle)| Act::RewriteRole { by, role, bundle })
                        .boxed(),
                ),
                (1, (by(), role()).prop_map(|(by, role)| Act::DeleteRole { by, role }).boxed()),
            ]);
        }
        proptest::strategy::Union::new_weighted(acts).boxed()
    }

    fn apply(mut rules: Rules, act: &Act) -> Rules {
        rules.happen(act);
        rules
    }

    /// A shorter sequence may have lost the team or role that an act is about.
    fn preconditions(rules: &Rules, act: &Act) -> bool {
        let custom = |role: &Role| !matches!(role, Role::Custom(index) if *index >= rules.roles());
        match act {
            Act::DeleteTeam { team, .. } | Act::AddMember { team, .. } | Act::RemoveMember { team, .. } => {
                *team < rules.teams()
            }
            Act::SwitchRole { role, .. } | Act::RewriteRole { role, .. } | Act::DeleteRole { role, .. } => {
                *role < rules.roles()
            }
            Act::Assign { role, .. } | Act::Unassign { role, .. } => custom(role),
            Act::CreateTeam { .. } | Act::CreateRole { .. } | Act::SetStatus { .. } => true,
        }
    }
}
