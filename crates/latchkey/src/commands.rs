//! The commands, one file each.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod clients;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod groups;
pub(crate) mod healthcheck;
pub(crate) mod keyring;
pub(crate) mod keys;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod organizations;
pub(crate) mod restore;
pub(crate) mod roles;
pub(crate) mod serve;
pub(crate) mod setup;
pub(crate) mod users;

/// The most that a listing shows when nobody says.
const MOST: usize = 1000;
