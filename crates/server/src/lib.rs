//! The wire: HTTP in, HTTP out. What is decided here is only what a request says and how an answer
//! is written; whether a credential is good is `authority`'s business.

pub mod config;
pub mod edge;
pub mod gateway;
pub mod problem;
