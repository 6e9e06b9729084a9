//! The server over a real store, asked as its clients ask.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attacks;
mod console;
mod denials;
mod dialects;
mod gateway;
mod house;
mod kinds;
mod matrix;
mod native;
mod notify;
mod oauth2;
mod openapi;
mod problems;
mod routes;
mod transcripts;
