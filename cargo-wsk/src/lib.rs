//! Builds Windows drivers on any system without a WDK, audits their images, and runs them in Wine.
//!
//! The program `cargo wsk` is made of this, and so is what this project tests its own drivers with.
#![forbid(unsafe_code)]

pub mod audit;
pub mod build;
pub mod image;
pub mod setup;
pub mod wine;
mod workspace;

pub use workspace::Workspace;
