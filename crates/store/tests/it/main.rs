//! The conformance suite: what the store promises, tried on each engine. What only one engine has
//! is in the file of its name.

mod postgres;
mod rate;
mod schema;
mod seam;
mod sqlite;
