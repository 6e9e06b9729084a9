//! Scenarios: whole use cases on a real store of each engine, with a clock held in hand.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attacks;
mod audit;
mod backup;
mod groups;
mod jobs;
mod keys;
mod limits;
mod notices;
mod organizations;
mod passwords;
mod people;
mod revocation;
mod rig;
mod rights;
mod roles;
mod sessions;
mod setup;
mod signing;
mod tampering;
mod tokens;
mod users;
