//! The flows of the integration seed, step by step.

mod authorization;
mod role_assignment;
mod team_management;
mod user_invitation;
