//! The pieces that pages are made of.

mod badge;
mod field;
mod table;
mod time;

use maud::{Markup, html};

pub(super) use badge::{Tone, badge, conditions};
pub(super) use field::{Choice, Field, choices, grouped, lines, select};
pub(super) use table::pager;
pub(super) use time::{ahead, at, day};

/// The head of a page: what it is, a sentence about it, and what can be done here.
pub(super) fn head(title: &str, about: &str, acts: &Markup) -> Markup {
    html! {
        div class="head" {
            div {
                h1 { (title) }
                @if !about.is_empty() { p class="soft" { (about) } }
            }
            div class="acts" { (acts) }
        }
    }
}

/// A remark that stands out.
pub(super) fn note(tone: Tone, title: &str, text: &Markup) -> Markup {
    html! {
        div class={ "note " (tone.class()) } role=[(tone == Tone::Bad).then_some("alert")] {
            p { strong { (title) } }
            (text)
        }
    }
}

/// What is shown where there is nothing: what the thing is, and how the first one is made.
pub(super) fn empty(title: &str, about: &str, act: &Markup) -> Markup {
    html! {
        div class="empty" {
            h2 { (title) }
            p { (about) }
            p { (act) }
        }
    }
}

/// Names and what they stand for.
pub(super) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! {
        dl class="facts" {
            @for (name, value) in facts {
                dt { (name) }
                dd { (value) }
            }
        }
    }
}

/// A sentence for the head of a form in which something is wrong, with the focus on it.
pub(super) fn summary(wrong: &[(String, String)]) -> Markup {
    html! {
        @if !wrong.is_empty() {
            div class="note bad" role="alert" tabindex="-1" data-wrong {
                p { strong { "Nothing was saved yet: please look at this again." } }
                ul {
                    @for (member, why) in wrong {
                        li { a href={ "#f-" (member) } { (why) } }
                    }
                }
            }
        }
    }
}
