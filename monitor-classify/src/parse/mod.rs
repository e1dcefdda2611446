//! What the messages of several protocols are made of: fields, lines, BER elements, SQL statements.
//!
//! Every reader takes bytes that may end anywhere, and never reads past their end.

pub(crate) mod ber;
pub(crate) mod lines;
pub(crate) mod reader;
pub(crate) mod sasl;
pub(crate) mod sql;
