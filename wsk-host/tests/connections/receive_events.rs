//! Data that callbacks are told of.
