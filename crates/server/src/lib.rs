//! The wire: HTTP in, HTTP out. What is decided here is only what a request says and how an answer
//! is written; whether a credential is good is `authority`'s business.

pub mod api;
pub mod assembly;
pub mod config;
pub mod dialects;
pub mod edge;
pub mod gateway;
pub mod oauth2;
pub mod problem;
pub mod settings;

pub use assembly::{Parts, Running, StartError, start};
