//! What a credential is, and every decision about it.

pub mod id;
pub mod time;
pub mod canonical;
pub mod secret;
pub mod seal;
pub mod token;
pub mod key;
pub mod family;
pub mod scope;
pub mod name;
pub mod grant;
pub mod role;
pub mod organization;
pub mod access;
pub mod limit;
pub mod event;
pub mod notice;
