//! Builds Windows drivers on any system without a WDK, audits their images, and runs them in this process or in Wine.
//!
//! The program `cargo wsk` and this project's own checks of its drivers use this library.
//!
//! | feature | adds | default |
//! |---|---|---|
//! | `run` | `cargo wsk run`, and the module `run`: the driver in a process, by wsk-loader | yes |
#![deny(unsafe_code)]

pub mod audit;
pub mod build;
mod cargo_error;
pub mod check;
pub mod image;
pub mod project;
#[cfg(feature = "run")]
pub mod run;
pub mod setup;
pub mod sign;
pub mod wine;
mod workspace;

pub use workspace::Workspace;
