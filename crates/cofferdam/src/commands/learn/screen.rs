//! What `learn` found, for a person and as JSON.

use std::path::Path;

use cofferdam_detect::behaviour::{Afforded, Budget, Function, ModuleLearnt, Rate, signature_of, thresholds_at};
use cofferdam_detect::settings::{ModuleSettings, NoveltySettings};
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::Outcome;
use crate::cli::{Failure, print_json, print_line};

/// Seconds of a day.
const DAY_SECONDS: u64 = 86_400;
/// Privileged functions that are shown of a module; all of them stand in the file.
const MOST_SHOWN: usize = 20;

/// Prints everything.
///
/// # Errors
/// As [`print_line`].
pub(super) fn show(outcome: &Outcome, out: Option<&Path>, budget: Option<Budget>, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&document(outcome, out, budget));
    }
    let (first, last) = outcome.learnt.blocks();
    print_line(format_args!(
        "learnt      blocks {first} to {last}: {} transactions touched the modules, {} were flagged and taught nothing",
        outcome.judged, outcome.flagged
    ))?;
    if outcome.differing > 0 {
        print_line(format_args!(
            "            {} blocks were executed differently here than on the chain; what differs taught nothing",
            outcome.differing
        ))?;
    }
    for module in outcome.learnt.modules() {
        show_module(module, &settings_of(outcome, module).novelty)?;
    }
    if let (Some(afforded), Some(budget)) = (&outcome.afforded, budget) {
        show_budget(outcome, afforded, budget)?;
    }
    if let Some(out) = out {
        print_line(format_args!(
            "\nwritten to {}; read it, and name it in the configuration:\n\n[detectors]\nlearnt = \"{}\"",
            out.display(),
            out.display()
        ))?;
    }
    Ok(())
}

fn settings_of(outcome: &Outcome, module: &ModuleLearnt) -> ModuleSettings {
    let given = outcome.settings.modules.iter().find(|settings| settings.module == *module.module());
    given.cloned().unwrap_or_else(|| ModuleSettings::defaults(module.module().clone()))
}

fn days(seconds: u64) -> u64 {
    seconds.wrapping_div(DAY_SECONDS)
}

fn is_enough(module: &ModuleLearnt, rules: &NoveltySettings) -> bool {
    module.transactions() >= rules.least_transactions && module.span_seconds() >= rules.least_seconds
}

fn show_module(module: &ModuleLearnt, rules: &NoveltySettings) -> Result<(), Failure> {
    print_line(format_args!(
        "{:<11} {} transactions over {} days, {} paths",
        module.module().as_str(),
        module.transactions(),
        days(module.span_seconds()),
        module.paths()
    ))?;
    if module.left_out() > 0 {
        print_line(format_args!("            {} transactions on paths that were left out", module.left_out()))?;
    }
    if !is_enough(module, rules) {
        print_line(format_args!(
            "            too little to call anything new: `novelty` asks for {} transactions over {} days",
            rules.least_transactions,
            days(rules.least_seconds)
        ))?;
    }
    for (function, callers) in module.privileged().take(MOST_SHOWN) {
        let callers: Vec<String> = callers.map(|caller| caller.to_string()).collect();
        print_line(format_args!("            privileged {}: {}", name(function), callers.join(", ")))?;
    }
    Ok(())
}

fn name(function: Function) -> String {
    match function.selector {
        None => format!("payment to {}", function.contract),
        Some(selector) => {
            let signature = signature_of(selector).map_or_else(|| selector.to_string(), str::to_owned);
            format!("{signature} of {}", function.contract)
        }
    }
}

fn show_budget(outcome: &Outcome, afforded: &Afforded, budget: Budget) -> Result<(), Failure> {
    let period = budget.days;
    print_line(format_args!(
        "\nbudget      {} in {period} days. {} transactions in {:.1} days of history; every alert counts as a false one",
        budget.alarms,
        afforded.transactions,
        afforded.scale.first().map_or(0.0, |choice| choice.alarms.days)
    ))?;
    let mut table = table(["thresholds", "alarms", &format!("in {period} days"), "95 %", "by"]);
    for (index, choice) in afforded.scale.iter().enumerate() {
        let by: Vec<String> = choice.detectors.iter().map(|(detector, count)| format!("{detector} {count}")).collect();
        let mark = if afforded.chosen == Some(index) { " <" } else { "" };
        table.add_row([
            format!("{} %{mark}", choice.percent),
            choice.alarms.count.to_string(),
            format!("{:.1}", choice.alarms.rate),
            interval(&choice.alarms),
            by.join(", "),
        ]);
    }
    print_line(aligned(table))?;
    match afforded.chosen.and_then(|index| afforded.scale.get(index)) {
        None => print_line(
            "\nno multiple of the thresholds would have kept to it: what is left is told by rules without one",
        )?,
        Some(choice) => {
            print_line(verdict(&choice.alarms, budget))?;
            for module in outcome.learnt.modules() {
                print_line(format_args!("\n# in the [[module]] with id = \"{}\"", module.module()))?;
                for line in thresholds_at(&settings_of(outcome, module), choice.percent) {
                    print_line(line)?;
                }
            }
        }
    }
    show_values(afforded, budget)
}

fn show_values(afforded: &Afforded, budget: Budget) -> Result<(), Failure> {
    let Some(first) = afforded.values.first() else {
        return print_line("\namounts     no second half to hold against the first");
    };
    print_line(format_args!(
        "\namounts     the second half ({:.1} days) held against the first: {} transactions on paths that were new",
        first.novel.days, afforded.new_paths.count
    ))?;
    let mut table = table(["beyond the largest", "transactions", &format!("in {} days", budget.days), "95 %", ""]);
    for (index, choice) in afforded.values.iter().enumerate() {
        let mark = if afforded.chosen_value == Some(index) { " <" } else { "" };
        table.add_row([
            format!("{} times{mark}", choice.times),
            choice.novel.count.to_string(),
            format!("{:.1}", choice.novel.rate),
            interval(&choice.novel),
            String::new(),
        ]);
    }
    print_line(aligned(table))?;
    if let Some(choice) = afforded.chosen_value.and_then(|index| afforded.values.get(index)) {
        print_line(verdict(&choice.novel, budget))?;
        print_line(format_args!("\nnovelty.value_times = {}", choice.times))?;
    }
    Ok(())
}

/// Whether the history is long enough to mean it.
fn verdict(rate: &Rate, budget: Budget) -> String {
    let (low, high) = rate.interval;
    let sure = if high <= f64::from(budget.alarms) {
        "within the budget"
    } else {
        "the history is too short, or too near the budget, to be sure of it"
    };
    format!(
        "\n{} in {:.1} days means {:.1} in {} days, in truth {low:.1} to {high:.1} (95 %): {sure}",
        rate.count, rate.days, rate.rate, budget.days
    )
}

fn interval(rate: &Rate) -> String {
    format!("{:.1} to {:.1}", rate.interval.0, rate.interval.1)
}

fn table(header: [&str; 5]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

fn aligned(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1).take(3) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn document(outcome: &Outcome, out: Option<&Path>, budget: Option<Budget>) -> Value {
    let (first, last) = outcome.learnt.blocks();
    let modules: Vec<Value> = outcome.learnt.modules().iter().map(|module| {
        let privileged: Vec<Value> = module
            .privileged()
            .map(|(function, callers)| {
                json!({ "contract": function.contract, "selector": function.selector, "callers": callers.collect::<Vec<_>>() })
            })
            .collect();
        json!({
            "module": module.module(),
            "transactions": module.transactions(),
            "span_seconds": module.span_seconds(),
            "paths": module.paths(),
            "left_out": module.left_out(),
            "privileged": privileged,
            "enough": is_enough(module, &settings_of(outcome, module).novelty),
        })
    }).collect();
    let mut document = json!({
        "first_block": first,
        "last_block": last,
        "transactions": outcome.judged,
        "flagged": outcome.flagged,
        "differing_blocks": outcome.differing,
        "modules": modules,
        "file": out,
        "digest": outcome.learnt.digest(),
    });
    if let (Some(afforded), Some(budget)) = (&outcome.afforded, budget)
        && let Some(fields) = document.as_object_mut()
    {
        fields.insert("budget".to_owned(), budget_document(afforded, budget));
    }
    document
}

fn budget_document(afforded: &Afforded, budget: Budget) -> Value {
    let scale = afforded.scale.iter().map(
        |choice| json!({ "percent": choice.percent, "alarms": rate(&choice.alarms), "detectors": choice.detectors }),
    );
    let values =
        afforded.values.iter().map(|choice| json!({ "times": choice.times, "transactions": rate(&choice.novel) }));
    json!({
        "alarms": budget.alarms,
        "days": budget.days,
        "transactions": afforded.transactions,
        "thresholds": scale.collect::<Vec<_>>(),
        "chosen_percent": afforded.chosen.and_then(|index| afforded.scale.get(index)).map(|choice| choice.percent),
        "value_times": values.collect::<Vec<_>>(),
        "chosen_value_times":
            afforded.chosen_value.and_then(|index| afforded.values.get(index)).map(|choice| choice.times),
        "new_paths": rate(&afforded.new_paths),
    })
}

fn rate(rate: &Rate) -> Value {
    json!({ "count": rate.count, "days": rate.days, "rate": rate.rate, "interval": [rate.interval.0, rate.interval.1] })
}
