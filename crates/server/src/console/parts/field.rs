//! Fields of forms: the label above, help below it, what is wrong below that.

use maud::{Markup, html};

/// A field for one line.
pub(in crate::console) struct Field<'f> {
    pub(in crate::console) name: &'f str,
    pub(in crate::console) label: &'f str,
    pub(in crate::console) help: &'f str,
    pub(in crate::console) value: &'f str,
    pub(in crate::console) kind: &'f str,
    pub(in crate::console) required: bool,
    /// What a password manager may put in.
    pub(in crate::console) autocomplete: &'f str,
    pub(in crate::console) wrong: &'f [(String, String)],
}

impl<'f> Field<'f> {
    pub(in crate::console) fn text(name: &'f str, label: &'f str) -> Self {
        Self {
            name,
            label,
            help: "",
            value: "",
            kind: "text",
            required: false,
            autocomplete: "off",
            wrong: &[],
        }
    }

    pub(in crate::console) fn html(&self) -> Markup {
        let wrong = wrong_of(self.name, self.wrong);
        html! {
            div class="field" {
                label for={ "f-" (self.name) } {
                    (self.label)
                    @if self.required { span class="soft small" { " (needed)" } }
                }
                (described(self.name, self.help, wrong))
                input #{ "f-" (self.name) } name=(self.name) type=(self.kind) value=(self.value) autocomplete=(self.autocomplete)
                    required[self.required] aria-invalid=[wrong.map(|_| "true")]
                    aria-describedby=[describes(self.name, self.help, wrong)];
            }
        }
    }
}

/// One of several things to choose.
pub(in crate::console) struct Choice<'c> {
    pub(in crate::console) value: &'c str,
    pub(in crate::console) label: &'c str,
    pub(in crate::console) help: &'c str,
    pub(in crate::console) chosen: bool,
}

/// Boxes to tick (`checkbox`) or one to choose (`radio`), as a group with a legend.
pub(in crate::console) fn choices(
    name: &str,
    kind: &str,
    legend: &str,
    help: &str,
    all: &[Choice<'_>],
    wrong: &[(String, String)],
) -> Markup {
    let wrong = wrong_of(name, wrong);
    html! {
        fieldset #{ "f-" (name) } tabindex="-1" aria-describedby=[describes(name, help, wrong)] {
            legend { (legend) }
            (described(name, help, wrong))
            @for (number, choice) in all.iter().enumerate() {
                div class="choice" {
                    input #{ "f-" (name) "-" (number) } type=(kind) name=(name) value=(choice.value) checked[choice.chosen];
                    label for={ "f-" (name) "-" (number) } {
                        (choice.label)
                        @if !choice.help.is_empty() { span class="help" { " · " (choice.help) } }
                    }
                }
            }
        }
    }
}

/// A field for several lines.
pub(in crate::console) fn lines(
    name: &str,
    label: &str,
    help: &str,
    value: &str,
    wrong: &[(String, String)],
) -> Markup {
    let wrong = wrong_of(name, wrong);
    html! {
        div class="field" {
            label for={ "f-" (name) } { (label) }
            (described(name, help, wrong))
            textarea #{ "f-" (name) } name=(name) rows="3" aria-invalid=[wrong.map(|_| "true")]
                aria-describedby=[describes(name, help, wrong)] { (value) }
        }
    }
}

/// Boxes to tick in groups of their own, each with a legend, all under one name.
pub(in crate::console) fn grouped(
    name: &str,
    legend: &str,
    help: &str,
    groups: &[(String, Vec<Choice<'_>>)],
    wrong: &[(String, String)],
) -> Markup {
    let wrong = wrong_of(name, wrong);
    html! {
        fieldset #{ "f-" (name) } tabindex="-1" aria-describedby=[describes(name, help, wrong)] {
            legend { (legend) }
            (described(name, help, wrong))
            @for (place, (group, all)) in groups.iter().enumerate() {
                fieldset {
                    legend { (group) }
                    @for (number, choice) in all.iter().enumerate() {
                        div class="choice" {
                            input #{ "f-" (name) "-" (place) "-" (number) } type="checkbox" name=(name) value=(choice.value) checked[choice.chosen];
                            label for={ "f-" (name) "-" (place) "-" (number) } {
                                (choice.label)
                                @if !choice.help.is_empty() { span class="help" { " · " (choice.help) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A list to choose one of.
pub(in crate::console) fn select(
    name: &str,
    label: &str,
    help: &str,
    all: &[(&str, &str)],
    chosen: &str,
    wrong: &[(String, String)],
) -> Markup {
    let wrong = wrong_of(name, wrong);
    html! {
        div class="field" {
            label for={ "f-" (name) } { (label) }
            (described(name, help, wrong))
            select #{ "f-" (name) } name=(name) aria-invalid=[wrong.map(|_| "true")] aria-describedby=[describes(name, help, wrong)] {
                @for (value, words) in all {
                    option value=(value) selected[*value == chosen] { (words) }
                }
            }
        }
    }
}

fn wrong_of<'w>(name: &str, wrong: &'w [(String, String)]) -> Option<&'w str> {
    let found = wrong.iter().find(|(member, _)| member == name);
    found.map(|(_, why)| why.as_str())
}

fn described(name: &str, help: &str, wrong: Option<&str>) -> Markup {
    html! {
        @if !help.is_empty() { p class="help" id={ "f-" (name) "-help" } { (help) } }
        @if let Some(why) = wrong { p class="wrong" id={ "f-" (name) "-wrong" } { (why) } }
    }
}

fn describes(name: &str, help: &str, wrong: Option<&str>) -> Option<String> {
    let parts = [
        (!help.is_empty()).then(|| format!("f-{name}-help")),
        wrong.map(|_| format!("f-{name}-wrong")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}
