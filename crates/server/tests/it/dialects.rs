//! What each dialect promises and no transcript can say, and what its transcripts begin with.

pub(crate) mod cortex;
pub(crate) mod secure_access;
