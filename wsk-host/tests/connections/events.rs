//! Enabling and disabling events.
