//! Runs that differ in nothing but their seed: mean, deviation, and whether groups differ by more than chance.
//!
//! A test over seeds would need many: with three of each, the least p of any test of ranks is 0.1. So sentences are what is
//! swapped. The counts of a sentence are summed over a group's seeds, and approximate randomization swaps the groups' sums.
//! It says whether the difference would hold on other sentences of this kind, for models of these seeds.

use super::Finished;
use super::figures::figure;
use super::markdown_table::aligned;
use crate::machine::threads;
use serde_json::Value;
use std::collections::BTreeMap;
use tagsmith_ranks::World;
use tagsmith_text::score::ZeroDivision;
use tagsmith_text::score::paired::{Randomization, test};
use tagsmith_text::score::units::{UnitCounts, Units};

/// Settings that say nothing of what is learned.
const OF_THE_RUN: [&str; 6] = ["seed", "data_seed", "output_dir", "logging_dir", "run_name", "hub_model_id"];
/// How often sentences are swapped, and the seed of that.
const SWAPS: usize = 10_000;
const SEED: u64 = 42;
/// The place of the micro F1 among the figures.
const MICRO_F1: usize = 2;

/// Runs of one kind.
struct Group<'r> {
    runs: Vec<&'r Finished>,
}

impl Group<'_> {
    /// Returns what the names of the runs begin with, or all names.
    fn name(&self) -> String {
        let names: Vec<&str> = self.runs.iter().map(|run| run.name.as_str()).collect();
        let first: Vec<char> = names[0].chars().collect();
        let common =
            (0..first.len()).take_while(|&at| names.iter().all(|name| name.chars().nth(at) == Some(first[at])));
        let common: String = first[..common.count()].iter().collect();
        let common = common.trim_end_matches(|letter: char| !letter.is_alphanumeric() || letter.is_ascii_digit());
        let common = common.strip_suffix("seed").unwrap_or(common).trim_end_matches(['-', '_', ' ']);
        if common.is_empty() { names.join(", ") } else { common.to_owned() }
    }

    /// Returns the values that the runs have of a figure.
    fn values(&self, prefix: &str) -> Vec<f64> {
        self.runs.iter().filter_map(|run| run.result(&format!("{prefix}_{}", run.metric))).collect()
    }

    /// Returns the counts of each sentence, summed over the runs, and the types by name; none where a run lacks them.
    fn counts(&self) -> Option<(Vec<UnitCounts>, Vec<String>)> {
        let of_runs = self.runs.iter().map(|run| Some(&run.diagnosis.as_ref()?.entities.as_ref()?.units));
        let of_runs: Vec<&Units> = of_runs.collect::<Option<_>>()?;
        let mut kinds: Vec<String> = of_runs.iter().flat_map(|units| units.kinds.iter().cloned()).collect();
        kinds.sort();
        kinds.dedup();
        let mut sums = vec![UnitCounts::default(); of_runs.first()?.units.len()];
        for units in of_runs {
            let units = Units::new(units.units.clone(), &units.kinds, &kinds);
            if units.units.len() != sums.len() {
                return None;
            }
            sums.iter_mut().zip(&units.units).for_each(|(sum, unit)| sum.absorb(unit));
        }
        Some((sums, kinds))
    }
}

/// Returns the mean and the standard deviation (n − 1) of at least one value.
fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (values.len() as f64 - 1.0).max(1.0)).sqrt())
}

/// Returns the rows of the table over seeds, titles first; nothing where no two runs of one kind have a figure.
pub fn rows(runs: &[Finished]) -> Vec<Vec<String>> {
    let mut groups: Vec<(BTreeMap<&String, &Value>, Group<'_>)> = Vec::new();
    for run in runs {
        let settings = run.settings.as_object().into_iter().flatten();
        // Where nothing is held out, the seed of that follows the run's and changes nothing.
        let holds_out = run.settings.get("validation_size").is_some_and(|size| !size.is_null());
        let counts = |name: &str| !OF_THE_RUN.contains(&name) && (holds_out || name != "split_seed");
        let key: BTreeMap<&String, &Value> = settings.filter(|(name, _)| counts(name)).collect();
        // A run without a seed differs in something that its settings do not say.
        let has_seed = run.settings.get("seed").is_some_and(Value::is_number);
        let seed_of = |run: &Finished| run.settings.get("seed").cloned();
        let is_new = |group: &Group<'_>| group.runs.iter().all(|other| seed_of(other) != seed_of(run));
        match groups.iter_mut().find(|(known, group)| has_seed && *known == key && is_new(group)) {
            Some((_, group)) => group.runs.push(run),
            None => groups.push((key, Group { runs: vec![run] })),
        }
    }
    let is_telling = |group: &Group<'_>| {
        group.runs.len() > 1 && ["eval", "predict"].iter().any(|prefix| !group.values(prefix).is_empty())
    };
    if !groups.iter().any(|(_, group)| is_telling(group)) {
        return Vec::new();
    }
    let groups: Vec<Group<'_>> = groups.into_iter().map(|(_, group)| group).collect();
    let metric = groups[0].runs[0].metric.as_str();
    let titles = ["runs", "seeds", metric, "deviation", "test", "deviation (test)", "less the first", "p"];
    let mut table = vec![titles.map(str::to_owned).to_vec()];
    let first = groups[0].counts();
    for (at, group) in groups.iter().enumerate() {
        let mut row = vec![group.name(), group.runs.len().to_string()];
        for prefix in ["eval", "predict"] {
            let values = group.values(prefix);
            let (mean, deviation) = moments(&values);
            row.push(if values.is_empty() { String::new() } else { figure(mean) });
            row.push(if values.len() < 2 { String::new() } else { figure(deviation) });
        }
        let tested = match (&first, group.counts()) {
            (Some(first), Some(counts)) if at > 0 => compared(first, counts),
            _ => None,
        };
        row.extend(tested.map_or([String::new(), String::new()], |(difference, p)| {
            [format!("{difference:+.4}"), format!("{p:.4}")]
        }));
        table.push(row);
    }
    table
}

/// Returns the difference of the micro F1 over all seeds, and p.
fn compared(first: &(Vec<UnitCounts>, Vec<String>), second: (Vec<UnitCounts>, Vec<String>)) -> Option<(f64, f64)> {
    if first.0.len() != second.0.len() {
        return None;
    }
    let of_first = Units::new(first.0.clone(), &first.1, &second.1);
    let of_second = Units::new(second.0, &second.1, &of_first.kinds);
    let of_first = Units::new(of_first.units, &of_first.kinds.clone(), &of_second.kinds);
    let threads = threads::choose(None, &World::alone()).0;
    let options = Randomization { swaps: SWAPS, seed: SEED, zero_division: ZeroDivision::Zero, threads };
    let tested = test(&of_first, &of_second, &options);
    Some((tested.differences[MICRO_F1], tested.p[MICRO_F1]))
}

/// Returns the table in Markdown with a line about it; nothing where there is none.
pub fn markdown(runs: &[Finished]) -> String {
    let table = rows(runs);
    let Some((titles, cells)) = table.split_first() else { return String::new() };
    let cell = |text: &String| text.replace('|', "\\|").replace('\n', " ");
    let row = |row: &Vec<String>| titles.iter().map(&cell).zip(row.iter().map(&cell)).collect();
    format!("\n{}\n{ABOUT}\n", aligned(&cells.iter().map(row).collect::<Vec<_>>()))
}

/// What the table is, in a line.
pub const ABOUT: &str = "Means over runs that differ in their seed alone. p: 10,000 swaps of validation sentences, whose counts are summed over seeds.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Origin;
    use crate::report::about::About;
    use serde_json::json;

    fn run(name: &str, rate: f64, seed: Option<u64>, f1: f64) -> Finished {
        Finished {
            name: name.into(),
            history: Vec::new(),
            results: serde_json::from_value(json!({"eval_f1": f1, "predict_f1": f1 / 2.0})).expect("a record"),
            metric: "f1".into(),
            diagnosis: None,
            tested: None,
            checked: None,
            settings: json!({"learning_rate": rate, "seed": seed, "split_seed": seed, "output_dir": name}),
            origin: Origin::default(),
            about: About::default(),
        }
    }

    #[test]
    fn runs_are_grouped_by_all_but_their_seed() {
        let runs = [
            run("slow-seed1", 1e-5, Some(1), 0.5),
            run("fast-1", 1e-4, Some(1), 0.25),
            run("slow-seed2", 1e-5, Some(2), 0.75),
            run("fast-2", 1e-4, Some(2), 0.25),
        ];
        let table = rows(&runs);
        let cells: Vec<Vec<&str>> = table.iter().map(|row| row.iter().map(String::as_str).collect()).collect();
        // Mean 0.625, deviation 0.125 √2; nothing says which sentences were right.
        assert_eq!(cells[1], ["slow", "2", "0.6250", "0.1768", "0.3125", "0.0884", "", ""]);
        assert_eq!(cells[2], ["fast", "2", "0.2500", "0.0000", "0.1250", "0.0000", "", ""]);
        assert!(markdown(&runs).contains("| slow "));
        // One run of each kind, and runs without a seed, are not groups.
        assert!(rows(&runs[..2]).is_empty() && markdown(&runs[..2]).is_empty());
        assert!(rows(&[run("a", 1.0, None, 0.5), run("b", 1.0, None, 0.5)]).is_empty());
    }

    #[test]
    fn a_deviation_is_that_of_a_sample() {
        // 2, 4, 4, 4, 5, 5, 7, 9: mean 5, sum of squares 32.
        let (mean, deviation) = moments(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!((mean, deviation), (5.0, (32.0f64 / 7.0).sqrt()));
        assert_eq!(moments(&[3.0]), (3.0, 0.0));
    }
}
