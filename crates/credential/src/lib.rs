//! What a credential is, and every decision about it.
//!
//! Everything here is a value or a pure function over values. There is no clock, no randomness, no I/O: `now` and entropy
//! are arguments, so that each rule can be tested at any moment of any world. Nothing here can fail except by refusing, and
//! what is not understood is denied.
//!
//! # The rules on one page
//!
//! **A key** ([`key`]) is the durable thing that a person creates: its id, name, grants and limits stay through every
//! rotation, and only what proves it changes. It has at most two live secrets, the current one and, until its overlap
//! ends, the one before. Stored are facts that somebody caused: active, disabled, revoked. Expired, overlapping and never
//! used are computed from facts and `now`; revoked is for good.
//!
//! **A credential** is text. The native one ([`token`]) carries an id, a generation, a keyed tag and a checksum, so that
//! junk and forgeries are refused before anything is looked up. A [`secret::Secret`] cannot be printed, cloned or
//! serialized; what is kept of it is a [`secret::Digest`], compared in constant time, or, where the secret itself must be
//! known again, a sealed value ([`seal`]).
//!
//! **A verdict** is two steps: [`key::prove`] says which live secret was presented, and [`key::decide`] whether the key may
//! do what is asked. The first line that refuses is the answer, the graver reason first:
//!
//! | asked | refused as |
//! |---|---|
//! | is it known, and is its row untouched? | [`Unknown`](key::Denial::Unknown), [`Tampered`](key::Denial::Tampered) |
//! | has nobody revoked it? | [`Revoked`](key::Denial::Revoked) |
//! | are it, its organization and its owner in use? | [`Disabled`](key::Denial::Disabled) |
//! | is it before its expiry? | [`Expired`](key::Denial::Expired) |
//! | may it be used from this address? | [`Address`](key::Denial::Address) |
//! | does it hold every scope, and for this resource? | [`Scope`](key::Denial::Scope), [`Resource`](key::Denial::Resource) |
//! | was this very signed request not seen before? | [`Replayed`](key::Denial::Replayed) |
//! | is there room in every limit? | [`Limited`](key::Denial::Limited) |
//!
//! The first and the last two need what only `authority` has, a store and a clock; the words for them are here.
//!
//! **Rights**: a [`scope`] is text, and its product's algebra says what it covers; there are no wildcards. [`grant`]s are
//! the roles and scopes of a key, each for all resources or for listed ones; [`access::Rights`] are grants with their
//! [`role`]s looked up. Nobody gives away more than they have: [`access::Ceiling`].
//!
//! **Limits** ([`limit`]): at no instant do the accepted costs within any window exceed the quota; what is refused is not
//! counted.
//!
//! **Token pairs** ([`family`]): a refresh token is answered once, or again with the very same successor when the answer
//! was lost. Any older one is a theft and ends the family.
//!
//! **The trail** ([`event`]): every change is an event that names its author, its row, and the digest of what the row is
//! since; each event's hash covers the one before. [`canonical`] makes the bytes that are hashed, so that two different
//! values never read the same.
//!
//! **People** ([`organization`], [`group`], [`name`], [`password`], [`notice`], [`subscription`]): tenants, their members and
//! groups of them, names with one canonical form each, passwords that may be chosen, what somebody should be told about a
//! key, once, and over which channels; and what a tenant claimed, which no verdict reads.

pub mod access;
pub mod canonical;
pub mod event;
pub mod family;
pub mod grant;
pub mod group;
pub mod id;
pub mod key;
pub mod limit;
pub mod name;
pub mod notice;
pub mod organization;
pub mod password;
pub mod reach;
pub mod role;
pub mod scope;
pub mod seal;
pub mod secret;
pub mod subscription;
pub mod time;
pub mod token;
