//! Scenarios: whole use cases on a real store of each engine, with a clock held in hand.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attacks;
mod audit;
mod backup;
mod deliveries;
mod groups;
mod jobs;
mod keys;
mod limits;
mod managed;
mod notices;
mod organizations;
mod passwords;
mod people;
mod post;
mod revocation;
mod rig;
mod rights;
mod roles;
mod sessions;
mod setup;
mod signed;
mod signing;
mod tampering;
mod tokens;
mod users;
