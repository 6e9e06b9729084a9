//! Around lists.

use maud::{Markup, html};

/// Where a list goes on, and back to its beginning.
pub(in crate::console) fn pager(shown: usize, first: Option<&str>, next: Option<&str>) -> Markup {
    html! {
        nav class="pager" aria-label="Pages of this list" {
            span class="soft" { (shown) " shown" }
            @if let Some(first) = first { a class="button" href=(first) { "To the beginning" } }
            @if let Some(next) = next { a class="button" href=(next) rel="next" { "Next page" } }
        }
    }
}
