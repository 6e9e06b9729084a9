//! What each dialect promises and no transcript can say, and what its transcripts begin with.

mod across;
pub(crate) mod cortex;
pub(crate) mod secure_access;
pub(crate) mod securecloud;
pub(crate) mod security_cloud_control;
pub(crate) mod threat_response;
