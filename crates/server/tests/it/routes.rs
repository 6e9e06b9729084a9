//! The native API, path by path.

mod audit;
mod docs;
mod groups;
mod keys;
mod notices;
mod organizations;
mod products;
mod roles;
mod server;
mod setup;
mod users;
mod whoami;
