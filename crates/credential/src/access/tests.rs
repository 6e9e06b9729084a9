//! The laws of rights and ceilings.
