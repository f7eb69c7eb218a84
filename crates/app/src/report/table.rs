//! Runs beside each other, as a table in Markdown.

use super::Finished;
use super::figures::figure;
use super::markdown_table::aligned;
use super::seeds;
use serde_json::Value;
use std::collections::BTreeSet;

/// The mean of the types' F1.
pub(super) const MEAN: &str = "f1_macro";

/// Titles and cells of the comparison; a column that no run fills is left out.
pub(super) fn columns(runs: &[Finished]) -> Vec<(String, Vec<String>)> {
    let metric = |run: &Finished| run.result(&format!("eval_{}", run.metric));
    let best = |run: &Finished| {
        let series = run.series(&format!("eval_{}", run.metric));
        let falls = run.metric.ends_with("loss");
        series.into_iter().reduce(|best, next| {
            let is_better = if falls { next.1 < best.1 } else { next.1 > best.1 };
            if is_better { next } else { best }
        })
    };
    let whole = |value: f64| format!("{value:.0}");
    let names: BTreeSet<&str> = runs.iter().map(|run| run.metric.as_str()).collect();
    let metric_name = names.into_iter().collect::<Vec<_>>().join(" or ");
    let mut columns = Vec::new();
    let mut column = |title: &str, cell: &dyn Fn(&Finished) -> Option<String>| {
        let cells: Vec<String> = runs.iter().map(|run| cell(run).unwrap_or_default()).collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            columns.push((title.to_owned(), cells));
        }
    };
    column("run", &|run| Some(run.name.clone()));
    column("training sentences", &|run| run.result("train_samples").map(whole));
    column("updates", &|run| updates(run).map(whole));
    column("training loss", &|run| run.result("train_loss").map(figure));
    column("evaluation loss", &|run| run.result("eval_loss").map(figure));
    column(&metric_name, &|run| metric(run).map(figure));
    column(&format!("{metric_name} (test)"), &|run| run.result(&format!("predict_{}", run.metric)).map(figure));
    if metric_name != MEAN {
        column(MEAN, &|run| run.result(&format!("eval_{MEAN}")).map(figure));
    }
    column(&format!("best {metric_name} (step)"), &|run| {
        best(run).map(|(step, value)| format!("{} ({step:.0})", figure(value)))
    });
    column("seconds", &|run| run.result("train_runtime").map(|seconds| format!("{seconds:.1}")));
    column("sentences/s", &|run| run.result("train_samples_per_second").map(|rate| format!("{rate:.1}")));
    columns
}

fn updates(run: &Finished) -> Option<f64> {
    run.history.iter().rev().find_map(|record| record.get("step").and_then(Value::as_f64)).filter(|&step| step > 0.0)
}

/// The comparison in Markdown.
pub fn markdown(runs: &[Finished]) -> String {
    let columns = columns(runs);
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let row = |at: usize| columns.iter().map(|(title, cells)| (cell(title), cell(&cells[at]))).collect();
    aligned(&(0..runs.len()).map(row).collect::<Vec<_>>()) + &seeds::markdown(runs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Origin;
    use crate::report::about::About;
    use expect_test::expect;
    use serde_json::json;

    fn run(name: &str, history: Value, results: Value) -> Finished {
        Finished {
            name: name.into(),
            history: serde_json::from_value(history).unwrap(),
            results: serde_json::from_value(results).unwrap(),
            metric: "overall_f1".into(),
            diagnosis: None,
            tested: None,
            checked: None,
            settings: json!({}),
            origin: Origin::default(),
            about: About::default(),
        }
    }

    #[test]
    fn runs_stand_beside_each_other() {
        let history = json!([
            {"loss": 1.0, "step": 5}, {"eval_overall_f1": 0.5, "step": 5},
            {"eval_overall_f1": 0.75, "step": 10}, {"eval_overall_f1": 0.25, "step": 15},
        ]);
        let results = json!({
            "train_samples": 10, "train_loss": 0.5, "eval_loss": 0.25, "eval_overall_f1": 0.25, "eval_LOC_f1": 0.5,
            "eval_PER_f1": 0.25, "eval_f1_macro": 0.375, "eval_LOC_number": 3, "train_runtime": 12.345, "predict_overall_f1": 0.125,
        });
        let runs = [run("a|b", history, results), run("untrained", json!([]), json!({"eval_loss": 2.0}))];
        expect![[r#"
            | run       | training sentences | updates | training loss | evaluation loss | overall_f1 | overall_f1 (test) | f1_macro | best overall_f1 (step) | seconds |
            |:---------:|:------------------:|:-------:|:-------------:|:---------------:|:----------:|:-----------------:|:--------:|:----------------------:|:-------:|
            | a\|b      | 10                 | 15      | 0.5000        | 0.2500          | 0.2500     | 0.1250            | 0.3750   | 0.7500 (10)            | 12.3    |
            | untrained |                    |         |               | 2.0000          |            |                   |          |                        |         |
        "#]]
        .assert_eq(&markdown(&runs));
    }
}
