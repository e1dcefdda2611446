//! What every page of ours is made of: markup in which the text of others can only be text, and one look.
//!
//! Imports nothing. `report` makes documents of it, `live_page` what the endpoint shows.

mod markup;

pub(super) use markup::Markup;

/// Colours in light and dark, type, tables, and paper.
pub(super) const STYLE: &str = include_str!("style.css");
