//! The results as a picture.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::programs::{Client, Timing};
use super::report::{Report, number};

const WIDTH: u32 = 960;
const HEIGHT: u32 = 340;

/// How wide a bar is, and a group of bars with the room after it.
const BAR: f64 = 1.0;
const GROUP: f64 = 3.0;

/// Two numbers that are compared, C's first.
struct Pair {
    name: &'static str,
    values: [f64; 2],
}

/// A picture in SVG.
pub(super) fn draw(report: &Report) -> Result<String> {
    let pairs = |value: fn(&Report, Timing, Client) -> f64| {
        Timing::ALL.map(|timing| Pair {
            name: match timing {
                Timing::Inline => "complete inline",
                Timing::Later => "complete later",
            },
            values: Client::ALL.map(|client| value(report, timing, client)),
        })
    };
    let whole = pairs(|report, timing, client| report.counts(timing, client).whole);
    let own = pairs(|report, timing, client| report.counts(timing, client).own);
    #[expect(clippy::cast_precision_loss, reason = "drivers are small")]
    let sizes = report.sizes.map(|size| size.file as f64);
    let size = [Pair { name: "echo.sys, x64", values: sizes }];

    let mut picture = String::new();
    {
        let area = SVGBackend::with_string(&mut picture, (WIDTH, HEIGHT)).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        let (first, rest) = area.split_horizontally((WIDTH * 2) / 5);
        let (second, third) = rest.split_horizontally((WIDTH * 2) / 5);
        panel(&first, "Instructions of a send and a receive", &whole)?;
        panel(&second, "of these, the client's own", &own)?;
        panel(&third, "Bytes of a driver", &size)?;
        area.present().map_err(failed)?;
    }
    Ok(picture)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    title: &str,
    pairs: &[Pair],
) -> Result<()> {
    const FONT: (&str, i32) = ("sans-serif", 14);
    let colours = [RGBColor(0x80, 0x88, 0x90), RGBColor(0xC0, 0x55, 0x20)];
    let highest = pairs.iter().flat_map(|pair| pair.values).fold(1.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "there are two at most")]
    let width = GROUP.mul_add(pairs.len() as f64, BAR);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 17))
        .margin(12)
        .build_cartesian_2d(0.0..width, -0.15 * highest..1.15 * highest)
        .map_err(failed)?;
    let style = |vertical| FONT.into_text_style(area).pos(Pos::new(HPos::Center, vertical));
    let mut left = BAR;
    for pair in pairs {
        for (index, (value, colour)) in pair.values.into_iter().zip(colours).enumerate() {
            let bar = [(left, 0.0), (left + 0.9 * BAR, value)];
            let middle = left + 0.45 * BAR;
            let language = ["C", "Rust"][index];
            let below =
                Text::new(language.to_owned(), (middle, -0.015 * highest), style(VPos::Top));
            let above = Text::new(number(value), (middle, 1.015 * value), style(VPos::Bottom));
            chart.draw_series([Rectangle::new(bar, colour.filled())]).map_err(failed)?;
            chart.draw_series([below, above]).map_err(failed)?;
            left += BAR;
        }
        let middle = left - BAR;
        let name = Text::new(pair.name, (middle, -0.085 * highest), style(VPos::Top));
        chart.draw_series([name]).map_err(failed)?;
        left += GROUP - 2.0 * BAR;
    }
    let line = PathElement::new([(0.5 * BAR, 0.0), (width - 0.5 * BAR, 0.0)], BLACK);
    chart.draw_series([line]).map_err(failed)?;
    Ok(())
}

/// An error that borrows what is drawn on.
fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("the picture cannot be drawn: {error}")
}
