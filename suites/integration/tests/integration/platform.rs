//! The tenant platform: schemas of tenants in one database, a chain of tenant, feature and role before each request.

mod audit;
mod conformance;
mod epic;
mod isolation;
mod lists;
mod members;
mod metrics;
mod outage;
mod plans;
mod pooling;
mod refusals;
mod row_security;
mod sign_in;
mod tenants;

