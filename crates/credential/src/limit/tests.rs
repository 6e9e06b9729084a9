//! The laws of windows.
