//! A chart with a bar for each hour, drawn by the server: attributes and classes only, as the policy of the pages has it.

use authority::HourCount;
use maud::{Markup, html};

use crate::console::parts::at;

/// The width of a bar and its gap, in units of the drawing.
const STEP: usize = 5;
/// The height of the tallest bar, in the same units.
const HEIGHT: u64 = 160;
/// Hours from one line below the bars to the next.
const DAY: usize = 24;

/// Bars for these hours: allowed uses from the ground up, refused ones upon them.
pub(super) fn bars(hours: &[HourCount]) -> Markup {
    let tallest = hours.iter().map(|hour| hour.allowed + hour.refused).max();
    let tallest = tallest.unwrap_or(0).max(1);
    let high = |uses: u64| scaled(uses, tallest);
    let wide = hours.len() * STEP;
    let view = format!("0 0 {wide} {}", HEIGHT + 1);
    let label = format!("Uses by the hour; the most in one hour: {tallest}");
    html! {
        figure class="chart" {
            div class="scroll" tabindex="0" role="region" aria-label="Chart of uses by the hour" {
                svg role="img" aria-label=(label) viewBox=(view) width=(wide) height=(HEIGHT + 1) {
                    @for place in (0..hours.len()).step_by(DAY) {
                        line class="rule" x1=(place * STEP) x2=(place * STEP) y1="0" y2=(HEIGHT) {}
                    }
                    @for (place, hour) in hours.iter().enumerate() {
                        @let (allowed, refused) = (high(hour.allowed), high(hour.refused));
                        @if allowed > 0 { rect class="allowed" x=(place * STEP) y=(HEIGHT - allowed) width=(STEP - 1) height=(allowed) {} }
                        @if refused > 0 { rect class="refused" x=(place * STEP) y=(HEIGHT.saturating_sub(allowed + refused)) width=(STEP - 1) height=(refused) {} }
                    }
                    line class="ground" x1="0" x2=(wide) y1=(HEIGHT) y2=(HEIGHT) {}
                }
            }
            figcaption class="soft small" {
                "A bar for each hour"
                @if let (Some(first), Some(last)) = (hours.first(), hours.last()) { ", from " (at(first.hour)) " to " (at(last.hour)) }
                ". The tallest is " (tallest) (if tallest == 1 { " use" } else { " uses" })
                ". " span class="key allowed" { "Allowed" } " " span class="key refused" { "Refused" }
            }
        }
    }
}

/// The height of a bar; of whatever was used at all, something is to be seen.
fn scaled(uses: u64, tallest: u64) -> u64 {
    if uses == 0 {
        return 0;
    }
    let height = u128::from(uses) * u128::from(HEIGHT) / u128::from(tallest.max(1));
    u64::try_from(height).unwrap_or(HEIGHT).clamp(1, HEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tallest_bar_fills_the_chart_and_the_smallest_is_seen() {
        for (uses, tallest, expected) in [
            (0, 10, 0),
            (10, 10, HEIGHT),
            (5, 10, HEIGHT / 2),
            (1, 1_000_000, 1),
            (u64::MAX, u64::MAX, HEIGHT),
        ] {
            assert_eq!(scaled(uses, tallest), expected, "{uses} of {tallest}");
        }
    }
}
