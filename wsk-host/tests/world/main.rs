//! Worlds: several machines, and the links between them.

mod connections;
mod crashes;
mod datagrams;
mod driver;
mod links;
mod settings;
