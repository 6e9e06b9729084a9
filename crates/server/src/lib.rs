//! The wire: HTTP in, HTTP out. What is decided here is only what a request says and how an answer
//! is written; whether a credential is good is `authority`'s business.
//!
//! - [`edge`] is what every request passes first and every answer last: listener, TLS, limits of size and time, the
//!   client's address, request ids, metrics.
//! - Behind it stand the rooms that speak: [`api`] (the native API and its description), [`oauth2`], [`gateway`]
//!   (forward-auth, and a proxy of our own), [`dialects`] (one folder per foreign system), and [`console`] (pages for
//!   people).
//! - [`problem`] is the one catalogue of what can go wrong, as the native API tells it.
//! - [`config`] reads the settings; [`settings`] hands on what the authority must know of them.
//! - [`start`] puts all of it together and gives a [`Running`] server, which ends in order.

pub mod api;
pub mod assembly;
pub mod config;
pub mod console;
pub mod dialects;
pub mod edge;
pub mod examples;
pub mod gateway;
pub mod notify;
pub mod oauth2;
pub mod problem;
pub mod settings;

pub use assembly::{Parts, Running, StartError, start};
