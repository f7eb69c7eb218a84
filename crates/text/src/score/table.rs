//! A score as text: seqeval's table and a JSON object.

use serde_json::{Map, Value, json};

use crate::score::{Method, Metrics, Score};

/// Returns the table of seqeval's `classification_report`, line for line; `digits` after the point.
///
/// Without any type seqeval fails; this table then has only the averages.
pub fn table(score: &Score, digits: usize) -> String {
    let widest = score.types.iter().map(|kind| kind.name.chars().count()).max().unwrap_or(0);
    let width = widest.max("weighted avg".len()).max(digits);
    let row = |name: &str, metrics: &Metrics, support: u64| {
        let Metrics { precision, recall, f1 } = metrics;
        format!("{name:>width$}  {precision:>9.digits$} {recall:>9.digits$} {f1:>9.digits$} {support:>9}\n")
    };
    let mut text = format!("{:>width$}  {:>9} {:>9} {:>9} {:>9}\n\n", "", "precision", "recall", "f1-score", "support");
    text.extend(score.types.iter().map(|kind| row(&kind.name, &kind.metrics, kind.count.gold)));
    text.push('\n');
    for (name, metrics) in
        [("micro avg", &score.micro), ("macro avg", &score.macro_average), ("weighted avg", &score.weighted)]
    {
        text.push_str(&row(name, metrics, score.support));
    }
    text
}

/// Returns everything in a score, with the numbers of words and sentences that it comes from. The keys are `method`,
/// `types`, the `overall_` figures, `macro` and `weighted`. Each type has `precision`, `recall`, `f1`, and its numbers of
/// entities: `number` in the gold, `predicted` and `correct`.
pub fn json(score: &Score, method: Method) -> Value {
    let metrics = |metrics: &Metrics| {
        let Metrics { precision, recall, f1 } = metrics;
        json!({ "precision": precision, "recall": recall, "f1": f1 })
    };
    let mut types = Map::new();
    for kind in &score.types {
        let mut object = metrics(&kind.metrics);
        object["number"] = kind.count.gold.into();
        object["predicted"] = kind.count.predicted.into();
        object["correct"] = kind.count.correct.into();
        types.insert(kind.name.clone(), object);
    }
    json!({
        "method": method.to_string(),
        "types": types,
        "overall_precision": score.micro.precision,
        "overall_recall": score.micro.recall,
        "overall_f1": score.micro.f1,
        "overall_accuracy": score.accuracy,
        "macro": metrics(&score.macro_average),
        "weighted": metrics(&score.weighted),
        "number": score.support,
        "words": score.words,
        "correct_words": score.correct_words,
        "sentences": score.sentences,
    })
}
