//! The console: pages for people who make, watch and retire keys.
//!
//! Every page is written here, on the server, from what the authority answers to the person who asks; nothing is loaded
//! from elsewhere, and everything but copying works without a script. A page asks the same use cases as the API does:
//! what somebody may not see is not in it, counts included.
//!
//! - `gate` finds who is signed in, and lets no other site send a form.
//! - `page` is the frame around each page, with the headers that all of them have.
//! - `parts` are the pieces that pages are made of, `no` what they say when something is refused.
//! - `pages` has a file per noun, like every room.

mod assets;
mod fields;
mod gate;
mod no;
mod page;
mod pages;
mod parts;

use authority::Authority;
use axum::Router;

pub use assets::POLICY;

/// What the console speaks with.
#[derive(Clone)]
pub struct Console {
    /// For whom.
    pub authority: Authority,
    /// The program's version.
    pub version: &'static str,
}

/// Where the console is.
pub const ROOT: &str = "/console";

/// Its pages, style and scripts.
pub fn routes(console: Console) -> Router {
    pages::routes().merge(assets::routes()).with_state(console)
}
