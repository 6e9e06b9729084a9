//! The server over a real store, asked as its clients ask.

mod gateway;
mod house;
mod oauth2;
mod transcripts;
