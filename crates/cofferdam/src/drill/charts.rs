//! The two pictures of a run, as SVG text: what happened in which block, and what was lost block by block.
//!
//! The pictures are made for the page: their colours are the light ones, and the page's style sheet finds them by
//! these very values to exchange them in the dark and to dash the line of what would have been lost. Text stays text.
//! Floating point is for drawing only.

#![allow(clippy::arithmetic_side_effects, reason = "`+` puts shapes of the drawing library together")]

use alloy_primitives::U256;
use plotters::chart::ChartContext;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::report::{EventKind, LossCurve, Run, TimelineEvent};
use crate::printable::shortened;

/// Text.
const INK: RGBColor = RGBColor(0x1d, 0x2a, 0x38);
/// Quiet text and axes.
const MUTED: RGBColor = RGBColor(0x5b, 0x68, 0x75);
/// Lines of the grid.
const GRID: RGBColor = RGBColor(0xdd, 0xe3, 0xea);
/// Every other block.
const BAND: RGBColor = RGBColor(0xf1, 0xf4, 0xf8);
/// What the attacker does, and what would be lost.
const HARM: RGBColor = RGBColor(0xb8, 0x4a, 0x00);
/// What Cofferdam does, and what is lost with it.
const GUARD: RGBColor = RGBColor(0x00, 0x62, 0x9b);
/// What was kept.
const KEPT: RGBColor = RGBColor(0xd5, 0xe8, 0xf4);
/// Honest users.
const HONEST: RGBColor = RGBColor(0x00, 0x7a, 0x5a);

/// Drawing onto text cannot fail in a way that a reader of the page could do something about.
#[derive(Debug, thiserror::Error)]
#[error("a chart cannot be drawn: {reason}")]
pub struct ChartError {
    reason: String,
}

impl ChartError {
    fn new(reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string() }
    }
}

/// How much room a picture has. Text has the same size in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// For a screen or paper.
    Wide,
    /// For a phone.
    Narrow,
}

impl Size {
    const fn pixels(self, height: u32) -> (u32, u32) {
        match self {
            Self::Wide => (530, height),
            Self::Narrow => (350, height),
        }
    }
}

type Plane<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Losses over blocks: without Cofferdam dashed, with it solid, what was kept shaded, and where the module was sealed.
///
/// # Errors
/// [`ChartError`] when `curve` has no points, or the drawing library refuses.
pub fn losses(curve: &LossCurve, sealed: Option<u64>, size: Size) -> Result<String, ChartError> {
    let (first, last) = match (curve.points.first(), curve.points.last()) {
        (Some(first), Some(last)) => (first.block, last.block.max(first.block.saturating_add(1))),
        _ => return Err(ChartError::new("no points")),
    };
    let top = curve.points.iter().map(|point| point.without.max(point.with)).max().unwrap_or_default();
    let ceiling = curve.asset.drawn(top).max(f64::MIN_POSITIVE) * 1.22;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size.pixels(250)).into_drawing_area();
        let axis_name = format!("lost so far, {}", shortened(&curve.asset.symbol, 16));
        root.draw_text(&axis_name, &text(MUTED, HPos::Left, VPos::Top), (4, 4)).map_err(ChartError::new)?;
        let mut chart = ChartBuilder::on(&root)
            .margin_top(26)
            .margin_right(14)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..offset(last, first), 0.0..ceiling)
            .map_err(ChartError::new)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .y_labels(5)
            .y_label_formatter(&tick)
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(text(MUTED, HPos::Left, VPos::Center))
            .draw()
            .map_err(ChartError::new)?;
        block_axis(&chart, first, last, size)?;
        let without = steps(curve, first, |point| point.without);
        let with = steps(curve, first, |point| point.with);
        let kept: Vec<(f64, f64)> = without.iter().copied().chain(with.iter().rev().copied()).collect();
        draw(&mut chart, Polygon::new(kept, KEPT.filled()))?;
        draw(&mut chart, PathElement::new(without.clone(), HARM.stroke_width(2)))?;
        draw(&mut chart, PathElement::new(with.clone(), GUARD.stroke_width(3)))?;
        if let Some(sealed) = sealed.filter(|block| (first..=last).contains(block)) {
            let x = offset(sealed, first);
            draw(&mut chart, PathElement::new(vec![(x, 0.0), (x, ceiling)], INK.stroke_width(1)))?;
            let past_middle = x * 2.0 > offset(last, first);
            let (side, shift) = if past_middle { (HPos::Right, -6) } else { (HPos::Left, 6) };
            label(&mut chart, (x, ceiling), (shift, 2), "sealed", text(INK, side, VPos::Top))?;
        }
        end_labels(&mut chart, curve, &without, &with)?;
        root.present().map_err(ChartError::new)?;
    }
    Ok(svg)
}

/// Who did what in which block: attacker, Cofferdam and honest users, each on a row.
///
/// # Errors
/// [`ChartError`] when the run has no events, or the drawing library refuses.
pub fn timeline(run: &Run, size: Size) -> Result<String, ChartError> {
    let (first, last) = window(run, size).ok_or_else(|| ChartError::new("no events"))?;
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size.pixels(250)).into_drawing_area();
        let mut chart = ChartBuilder::on(&root)
            .margin_top(26)
            .margin_right(14)
            .x_label_area_size(40)
            .y_label_area_size(if size == Size::Wide { 92 } else { 70 })
            .build_cartesian_2d(-0.5..offset(last, first) + 1.0, 0.0..3.0)
            .map_err(ChartError::new)?;
        for block in (first..=last).step_by(2) {
            let x = offset(block, first);
            draw(&mut chart, Rectangle::new([(x - 0.5, 0.0), (x + 0.5, 3.0)], BAND.filled()))?;
        }
        for (row, name) in [(2.5, "attacker"), (1.5, "Cofferdam"), (0.5, "honest users")] {
            draw(
                &mut chart,
                PathElement::new(vec![(-0.5, row), (offset(last, first) + 1.0, row)], GRID.stroke_width(1)),
            )?;
            let name = if size == Size::Narrow && row < 1.0 { "honest" } else { name };
            label(&mut chart, (-0.5, row), (-8, 0), name, text(INK, HPos::Right, VPos::Center))?;
        }
        block_axis(&chart, first, last, size)?;
        let events: Vec<&TimelineEvent> =
            run.timeline.iter().filter(|event| (first..=last).contains(&event.block)).collect();
        attacker_row(&mut chart, &events, first)?;
        guard_row(&mut chart, &events, first)?;
        honest_row(&mut chart, &events, first)?;
        root.present().map_err(ChartError::new)?;
    }
    Ok(svg)
}

/// The blocks that the picture shows: from shortly before the attack came into view to shortly after it was sealed
/// off, as many as there is room for. `None` when nothing happened.
pub(super) fn window(run: &Run, size: Size) -> Option<(u64, u64)> {
    let room = if size == Size::Wide { 14 } else { 8 };
    let blocks = || run.timeline.iter().map(|event| event.block);
    let (earliest, latest) = (blocks().min()?, blocks().max()?);
    let seen = run.first(EventKind::AttackSeen).or_else(|| run.first(EventKind::AttackMined));
    let centre = run.first(EventKind::Mined).or(seen).map_or(latest, |event| event.block);
    let first = seen.map_or(earliest, |event| event.block.saturating_sub(4)).max(earliest);
    // What was sealed is always in view, however long it took.
    let first = first.max(centre.saturating_add(4).saturating_sub(room));
    Some((first, latest.min(first.saturating_add(room)).max(first.saturating_add(3))))
}

fn attacker_row(chart: &mut Plane<'_, '_>, events: &[&TimelineEvent], first: u64) -> Result<(), ChartError> {
    let landed = |event: &&TimelineEvent| matches!(event.kind, EventKind::AttackMined | EventKind::AttackFailed);
    if let Some(seen) = of_kind(events, EventKind::AttackSeen) {
        let in_block = events.iter().copied().filter(landed).any(|event| event.block == seen.block);
        let x = offset(seen.block, first) + if in_block { 0.0 } else { 0.5 };
        diamond(chart, (x, 2.5), HARM)?;
        label(chart, (x, 2.5), (0, -12), "seen", text(HARM, HPos::Center, VPos::Bottom))?;
    }
    let mut named_failure = false;
    for event in events.iter().copied().filter(landed) {
        let at = (offset(event.block, first), 2.5);
        if event.kind == EventKind::AttackMined {
            draw(chart, Circle::new(at, 7, HARM.filled()))?;
        } else {
            draw(chart, Cross::new(at, 6, HARM.stroke_width(3)))?;
            if !named_failure {
                label(chart, at, (0, 14), "fails", text(HARM, HPos::Center, VPos::Top))?;
                named_failure = true;
            }
        }
    }
    if let Some(hit) = of_kind(events, EventKind::AttackMined) {
        let at = (offset(hit.block, first), 2.5);
        label(chart, at, (0, 14), "lands", text(HARM, HPos::Center, VPos::Top))?;
    }
    Ok(())
}

fn of_kind<'e>(events: &[&'e TimelineEvent], kind: EventKind) -> Option<&'e TimelineEvent> {
    events.iter().copied().find(|event| event.kind == kind)
}

fn guard_row(chart: &mut Plane<'_, '_>, events: &[&TimelineEvent], first: u64) -> Result<(), ChartError> {
    let decided =
        [EventKind::Sent, EventKind::Planned, EventKind::Verdict].into_iter().find_map(|kind| of_kind(events, kind));
    if let Some(event) = decided {
        let at = (offset(event.block, first) + 0.5, 1.5);
        draw(chart, TriangleMarker::new(at, 9, GUARD.filled()))?;
        label(chart, at, (0, 14), event.kind.words(), text(GUARD, HPos::Center, VPos::Top))?;
    }
    if let Some(mined) = of_kind(events, EventKind::Mined) {
        let at = (offset(mined.block, first), 1.5);
        draw(chart, EmptyElement::at(at) + Rectangle::new([(-7, -7), (7, 7)], GUARD.filled()))?;
        label(chart, at, (0, -12), "sealed", text(GUARD, HPos::Center, VPos::Bottom))?;
    }
    Ok(())
}

/// One dot for each honest transaction, stacked upwards within its block, five a column at most.
fn honest_row(chart: &mut Plane<'_, '_>, events: &[&TimelineEvent], first: u64) -> Result<(), ChartError> {
    let mut block = None;
    let mut place = (0_i32, 0_i32);
    for event in events {
        if !matches!(event.kind, EventKind::HonestOk | EventKind::HonestFailed) {
            continue;
        }
        place = match block {
            Some(seen) if seen == event.block && place.1 < 4 => (place.0, place.1.saturating_add(1)),
            Some(seen) if seen == event.block => (place.0.saturating_add(1), 0),
            _ => (0, 0),
        };
        block = Some(event.block);
        let at = (offset(event.block, first), 0.5);
        let (x, y) = (place.0.saturating_mul(11), place.1.saturating_mul(-11));
        if event.kind == EventKind::HonestOk {
            draw(chart, EmptyElement::at(at) + Circle::new((x, y), 4, HONEST.filled()))?;
        } else {
            draw(chart, EmptyElement::at(at) + Cross::new((x, y), 4, MUTED.stroke_width(2)))?;
        }
    }
    Ok(())
}

/// Numbers of blocks below the picture, as many as there is room for, and the name of the axis.
fn block_axis(chart: &Plane<'_, '_>, first: u64, last: u64, size: Size) -> Result<(), ChartError> {
    let room = if size == Size::Wide { 8 } else { 4 };
    let every = last.saturating_sub(first).div_ceil(room).max(1);
    let area = chart.plotting_area();
    let root = area.strip_coord_spec();
    let (_, y_range) = area.get_pixel_range();
    let (x_range, _) = area.get_pixel_range();
    let base = root.get_base_pixel();
    let below = y_range.end.saturating_sub(base.1);
    let style = text(MUTED, HPos::Center, VPos::Top);
    let step = usize::try_from(every).unwrap_or(usize::MAX);
    for block in (first..=last).step_by(step) {
        let (x, _) = area.map_coordinate(&(offset(block, first), 0.0));
        root.draw_text(&block.to_string(), &style, (x.saturating_sub(base.0), below.saturating_add(6)))
            .map_err(ChartError::new)?;
    }
    let middle = x_range.start.saturating_add(x_range.end) / 2;
    let at = (middle.saturating_sub(base.0), below.saturating_add(23));
    root.draw_text("block", &style, at).map_err(ChartError::new)
}

fn end_labels(
    chart: &mut Plane<'_, '_>,
    curve: &LossCurve,
    without: &[(f64, f64)],
    with: &[(f64, f64)],
) -> Result<(), ChartError> {
    let Some(end) = curve.points.last() else { return Ok(()) };
    let (Some(upper), Some(lower)) = (without.last(), with.last()) else { return Ok(()) };
    if end.without == end.with {
        let words = format!("with and without: {}", curve.asset.number(end.with));
        return label(chart, *upper, (-4, -5), &words, text(INK, HPos::Right, VPos::Bottom));
    }
    let words = format!("without: {}", curve.asset.number(end.without));
    label(chart, *upper, (-4, -5), &words, text(HARM, HPos::Right, VPos::Bottom))?;
    let words = format!("with Cofferdam: {}", curve.asset.number(end.with));
    label(chart, *lower, (-4, -6), &words, text(GUARD, HPos::Right, VPos::Bottom))
}

/// The course as a staircase: a loss happens in its block and stays.
fn steps(curve: &LossCurve, first: u64, read: fn(&super::report::LossPoint) -> U256) -> Vec<(f64, f64)> {
    let mut path: Vec<(f64, f64)> = Vec::new();
    for point in &curve.points {
        let (x, y) = (offset(point.block, first), curve.asset.drawn(read(point)));
        if let Some((_, before)) = path.last().copied() {
            path.push((x, before));
        }
        path.push((x, y));
    }
    if curve.points.len() == 1 {
        path.extend(path.last().map(|(x, y)| (x + 1.0, *y)));
    }
    path
}

fn diamond(chart: &mut Plane<'_, '_>, at: (f64, f64), colour: RGBColor) -> Result<(), ChartError> {
    let corners = vec![(0, -9), (9, 0), (0, 9), (-9, 0)];
    draw(chart, EmptyElement::at(at) + Polygon::new(corners, colour.filled()))
}

fn draw<'b, E>(chart: &mut Plane<'_, 'b>, element: E) -> Result<(), ChartError>
where
    for<'r> &'r E: plotters::element::PointCollection<'r, (f64, f64)>,
    E: plotters::element::Drawable<SVGBackend<'b>>,
{
    chart.draw_series(std::iter::once(element)).map(|_| ()).map_err(ChartError::new)
}

fn label(
    chart: &mut Plane<'_, '_>,
    at: (f64, f64),
    shift: (i32, i32),
    words: &str,
    style: TextStyle<'static>,
) -> Result<(), ChartError> {
    draw(chart, EmptyElement::at(at) + Text::new(words.to_owned(), shift, style))
}

/// The library divides sizes by 1.24 on its way to SVG: this comes out at 12 pixels.
fn text(colour: RGBColor, horizontal: HPos, vertical: VPos) -> TextStyle<'static> {
    ("sans-serif", 14.88).into_font().color(&colour).pos(Pos::new(horizontal, vertical))
}

fn offset(block: u64, first: u64) -> f64 {
    f64::from(U256::from(block.saturating_sub(first)))
}

/// A number on an axis, short: `0`, `250`, `1.5 k`, `3.87 M`, `0.02`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the drawing library hands out references")]
fn tick(value: &f64) -> String {
    let trimmed = |number: f64, unit: &str| {
        let digits = format!("{number:.2}");
        format!("{}{unit}", digits.trim_end_matches('0').trim_end_matches('.'))
    };
    match value.abs() {
        size if size >= 1e15 => format!("{value:.1e}"),
        size if size >= 1e9 => trimmed(value / 1e9, " G"),
        size if size >= 1e6 => trimmed(value / 1e6, " M"),
        size if size >= 10_000.0 => trimmed(value / 1e3, " k"),
        size if size >= 0.01 || size == 0.0 => trimmed(*value, ""),
        _ => format!("{value:.0e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::fixture;
    use crate::drill::report::LossPoint;

    #[test]
    fn both_pictures_of_every_run_can_be_drawn_in_both_sizes() {
        for run in fixture::report().runs {
            for size in [Size::Wide, Size::Narrow] {
                let picture = losses(&run.curves[0], Some(14), size).unwrap();
                assert!(picture.contains(">\nblock\n") && picture.contains("lost so far"), "{picture}");
                assert!(timeline(&run, size).unwrap().contains("Cofferdam"));
            }
        }
    }

    #[test]
    fn the_largest_amounts_and_a_single_block_can_be_drawn() {
        let mut curve = fixture::report().runs[0].curves[0].clone();
        curve.points = vec![LossPoint { block: u64::MAX - 1, without: U256::MAX, with: U256::ZERO }];
        curve.asset.decimals = 0;
        assert!(losses(&curve, Some(u64::MAX - 1), Size::Wide).is_ok());
        curve.points[0].without = U256::ZERO;
        assert!(losses(&curve, None, Size::Wide).is_ok());
    }

    #[test]
    fn a_hostile_symbol_stays_text() {
        let mut curve = fixture::report().runs[0].curves[0].clone();
        curve.asset.symbol = "<script>\u{202e}".to_owned();
        let picture = losses(&curve, None, Size::Wide).unwrap();
        assert!(!picture.contains("<script") && !picture.contains('\u{202e}'), "{picture}");
    }

    #[test]
    fn axis_numbers_are_short() {
        let shown: Vec<String> = [0.0, 0.25, 1_500.0, 25_000.0, 3_870_500.0, 1e-9].iter().map(tick).collect();
        assert_eq!(shown, ["0", "0.25", "1500", "25 k", "3.87 M", "1e-9"]);
    }
}
