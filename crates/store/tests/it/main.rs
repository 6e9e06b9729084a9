//! The conformance suite: what the store promises, tried on each engine. What only one engine has
//! is in the file of its name.

mod audit;
mod change;
mod compare;
mod families;
mod feed;
mod groups;
mod idempotency;
mod issuance;
mod keys;
mod limits;
mod nonces;
mod notices;
mod organizations;
mod postgres;
mod rate;
mod rekey;
mod roles;
mod schema;
mod seam;
mod settings;
mod setup;
mod signing;
mod sqlite;
mod tokens;
mod usage;
mod users;
mod vault;
mod world;
mod worlds;
