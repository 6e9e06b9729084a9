//! What a credential is, and every decision about it.

pub mod access;
pub mod canonical;
pub mod event;
pub mod family;
pub mod grant;
pub mod id;
pub mod key;
pub mod limit;
pub mod name;
pub mod notice;
pub mod organization;
pub mod role;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod time;
pub mod token;
