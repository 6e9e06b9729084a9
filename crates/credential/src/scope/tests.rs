//! The vectors and laws of both algebras.
