//! Messages (RFC 2131 §2, RFC 2132): bytes ⇄ meaning.
//!
//! Parsing checks every option's bounds once; what is read from a
//! [`Message`] afterwards can't fail, only be missing.

mod build;
pub(crate) mod domain;
mod header;
mod options;
mod parse;

pub use build::{NoRoom, Writer};
pub use domain::Name;
pub use header::{Header, Op};
pub use options::{Code, MessageType};
pub use parse::{MESSAGE_MAX, Message, ParseError};

pub(crate) use parse::next_array;
